"""Tiny data sets on disk in the schemas of the real ones.

Dimensions: H height, W width, C channels.
"""

from collections.abc import Mapping
import io
import pathlib
from typing import Any

import numpy as np
from PIL import Image
import tensorflow_datasets as tfds

from tests.workloads import tiny
from workloads.data import store

_SIZES = ((75, 100), (100, 75), (64, 64), (40, 130), (224, 224), (31, 29))


def photo(seed: int, height: int, width: int) -> np.ndarray:
  """Uint8 [H, W, 3]: smooth shapes, edges and grain, as photographs have."""
  rng = np.random.default_rng(seed)
  small = rng.uniform(0, 255, (5, 7, 3)).astype(np.uint8)
  smooth = Image.fromarray(small).resize((width, height), Image.BICUBIC)
  image_HxWxC = np.asarray(smooth, np.float64).copy()
  for _ in range(12):
    (top, bottom), (left, right) = (
      np.sort(rng.integers(0, size + 1, 2)) for size in (height, width)
    )
    image_HxWxC[top:bottom, left:right] += rng.uniform(-70, 70, 3)
  image_HxWxC += rng.normal(0, 6, image_HxWxC.shape)
  return image_HxWxC.clip(0, 255).astype(np.uint8)


def encoded(
  image_HxWxC: np.ndarray, kind: str = 'JPEG', mode: str = 'RGB', **options: Any
) -> bytes:
  """An image file; `mode` is Pillow's, such as 'L' or 'CMYK'."""
  file = io.BytesIO()
  Image.fromarray(image_HxWxC).convert(mode).save(file, kind, **options)
  return file.getvalue()


def write_imagenet(
  data_dir: str | pathlib.Path, sizes: Mapping[str, int] | None = None
) -> None:
  """imagenet2012 5.1.0 and imagenet_v2/matched-frequency 3.0.0.

  Args:
    data_dir: where both go.
    sizes: numbers of examples of train, validation and test.
  """
  sizes = sizes or {'train': 23, 'validation': 11, 'test': 6}
  store.prepare(
    Imagenet2012(
      data_dir=data_dir,
      sizes={split: sizes[split] for split in ('train', 'validation')},
    )
  )
  store.prepare(
    ImagenetV2(
      data_dir=data_dir,
      config='matched-frequency',
      sizes={'test': sizes['test']},
    )
  )


class _Images(tiny.Builder, skip_registration=True):
  """What the two data sets have in common."""

  def _info(self) -> tfds.core.DatasetInfo:
    features = tfds.features.FeaturesDict(
      {
        'image': tfds.features.Image(encoding_format='jpeg'),
        'label': tfds.features.ClassLabel(num_classes=1000),
        'file_name': tfds.features.Text(),
      }
    )
    return tfds.core.DatasetInfo(builder=self, features=features)

  def _generate_examples(self, split: str, size: int) -> tiny.Examples:
    for index in range(size):
      name = f'{split}_{index:08}.JPEG'
      seed = sum(split.encode()) * 1000 + index
      image = photo(seed, *_SIZES[index % len(_SIZES)])
      yield (
        name,
        {
          'image': io.BytesIO(encoded(image, quality=90)),
          'label': index * 37 % 1000,
          'file_name': name,
        },
      )


class Imagenet2012(_Images, skip_registration=True):
  name = 'imagenet2012'
  VERSION = tfds.core.Version('5.1.0')


class ImagenetV2(_Images, skip_registration=True):
  name = 'imagenet_v2'
  VERSION = tfds.core.Version('3.0.0')
  BUILDER_CONFIGS = (tfds.core.BuilderConfig(name='matched-frequency'),)
