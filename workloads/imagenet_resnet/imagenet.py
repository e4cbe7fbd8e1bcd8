"""ImageNet as AlgoPerf's imagenet_resnet has it, streamed from disk.

Training and validation are TFDS's imagenet2012; the test set is ImageNet V2
(matched frequency). Training images are cut at random ("Inception crop",
Szegedy et al. 2015, arXiv 1409.4842) and mirrored with probability 1/2;
evaluation takes the middle.

Dimensions: B batch, H height, W width, C channels, P = W C.
"""

from collections.abc import Iterator
import dataclasses
import math

import numpy as np

from algoperf import spec
from workloads.data import batches, images, splits, stream
from workloads.imagenet_resnet import archives, configs

_TEST_SET = 'imagenet_v2/matched-frequency'
_ASPECT = (3 / 4, 4 / 3)  # Width over height.
_AREA = (0.08, 1.0)  # Of the image.
_MIN_COVERED = 0.1  # The image is the object that a crop has to cover.
_ATTEMPTS = 10
_MIDDLE = 224 / 256  # Side of the evaluation crop over the shorter side.


def check(config: configs.Config, data_dir: str) -> None:
  """Refuses data sets that are not there as a whole.

  Raises:
    UsageError: with the command that mends it.
  """
  for split in spec.SPLITS:
    _source(config, data_dir, split)


def prepare(config: configs.Config, data_dir: str, report: spec.Report) -> None:
  """Makes the data sets from the user's archives unless they are there.

  Raises:
    UsageError: archives are missing, or what is on disk cannot be used.
  """
  sizes = {
    'train': config.num_train_examples,
    'validation': config.num_validation_examples,
    'test': config.num_test_examples,
  }
  archives.prepare(data_dir, sizes, config.name, report)
  check(config, data_dir)


def needs(config: configs.Config) -> spec.DataNeeds:
  del config  # The same for all.
  return spec.DataNeeds(
    source='your own archives of ImageNet (144 GiB) and ImageNet V2 (1 GiB), '
    "or TFDS's TFRecord files of both",
    disk_gib=300,  # The archives are among it.
    time='1 to 2 hours',
  )


def num_stored(config: configs.Config, data_dir: str, split: str) -> int:
  return len(_source(config, data_dir, split))


def train_batches(
  config: configs.Config,
  data_dir: str,
  batch_size: int,
  data_rng: spec.RandomState,
) -> Iterator[batches.Batch]:
  """Endless augmented training batches, this host's rows."""
  return stream.train_stream(
    _source(config, data_dir, 'train'),
    data_rng=data_rng,
    batch_size=batch_size,
    transform=Augment(config),
    workers=stream.workers(config.workers),
  )


def eval_batches(
  config: configs.Config,
  data_dir: str,
  split: str,
  batch_size: int,
  tight: bool = False,
) -> Iterator[batches.Batch]:
  """One pass over a split in order, this host's rows, the end padded."""
  return stream.eval_stream(
    _source(config, data_dir, split),
    batch_size=batch_size,
    transform=Preprocess(config),
    workers=stream.workers(config.workers),
    tight=tight,
  )


@dataclasses.dataclass(frozen=True)
class Augment:
  """Makes a training example; picklable."""

  config: configs.Config

  def __call__(
    self, example: splits.Example, rng: np.random.Generator
  ) -> splits.Example:
    """`inputs` float32 [H, W, C], normalised, and `targets` int32."""
    image = _opened(example)
    box = random_box(image.height, image.width, rng)
    if (box.height, box.width) == (image.height, image.width):
      box = middle_box(image.height, image.width)
    mirrored = rng.random() < 0.5
    return _finished(self.config, example, image, box, mirrored)


@dataclasses.dataclass(frozen=True)
class Preprocess:
  """Makes an example for evaluation; picklable."""

  config: configs.Config

  def __call__(self, example: splits.Example) -> splits.Example:
    """`inputs` float32 [H, W, C], normalised, and `targets` int32."""
    image = _opened(example)
    box = middle_box(image.height, image.width)
    return _finished(self.config, example, image, box, mirrored=False)


def random_box(height: int, width: int, rng: np.random.Generator) -> images.Box:
  """A random part of an image; the whole if ten attempts find none.

  The distribution is that of TensorFlow's `sample_distorted_bounding_box`: the
  aspect ratio is uniform, then the height among those whose area is allowed
  (so that areas are not uniform), then the place, of which the last row and
  column are never used. As the image itself is the object to be covered, crops
  below a tenth of the area are rejected.
  """
  for _ in range(_ATTEMPTS):
    box = _attempt(height, width, rng)
    if box and box.height * box.width >= _MIN_COVERED * height * width:
      return box
  return images.Box(top=0, left=0, height=height, width=width)


def middle_box(height: int, width: int) -> images.Box:
  """The square in the middle, 224/256 of the shorter side."""
  side = max(1, math.floor(_MIDDLE * min(height, width)))
  return images.Box(
    top=(height - side + 1) // 2,
    left=(width - side + 1) // 2,
    height=side,
    width=side,
  )


def _attempt(
  height: int, width: int, rng: np.random.Generator
) -> images.Box | None:
  """A random part of an image, or None if its area is out of bounds."""
  aspect = rng.uniform(*_ASPECT)
  least, most = (share * height * width for share in _AREA)
  lowest = round(math.sqrt(least / aspect))
  highest = round(math.sqrt(most / aspect))
  if round(highest * aspect) > width:
    highest = int((width + 0.5 - 1e-7) / aspect)
  highest = min(highest, height)
  box_height = min(lowest, highest)
  if box_height < highest:
    box_height = int(rng.integers(box_height, highest + 1))
  if box_height * round(box_height * aspect) < least:
    box_height += 1
  if box_height * round(box_height * aspect) > most:
    box_height -= 1
  box_width = round(box_height * aspect)
  if not least <= box_height * box_width <= most:
    return None
  if not (1 <= box_height <= height and 1 <= box_width <= width):
    return None
  return images.Box(
    top=int(rng.integers(max(1, height - box_height))),
    left=int(rng.integers(max(1, width - box_width))),
    height=box_height,
    width=box_width,
  )


def _finished(
  config: configs.Config,
  example: splits.Example,
  image: images.Image.Image,
  box: images.Box,
  mirrored: bool,
) -> splits.Example:
  """Decodes, cuts, resizes, mirrors and normalises."""
  size, _, _ = config.image_shape
  try:
    pixels_HxWxC = images.crop(image, box)
  except OSError as error:
    raise _unreadable(example) from error
  inputs_HxP = images.resize(pixels_HxWxC, size, mirrored).reshape(size, -1)
  inputs_HxP -= np.tile(np.array(config.mean, np.float32), size)
  inputs_HxP /= np.tile(np.array(config.stddev, np.float32), size)
  return {
    'inputs': inputs_HxP.reshape(config.image_shape),
    'targets': np.int32(example['label']),
  }


def _opened(example: splits.Example) -> images.Image.Image:
  try:
    return images.opened(example['image'])
  except OSError as error:
    raise _unreadable(example) from error


def _unreadable(example: splits.Example) -> spec.UsageError:
  name = example['file_name'].decode()
  return spec.UsageError(
    f'The image {name} cannot be decoded: prepare the data set again from '
    'archives whose checksums are right.'
  )


def _source(
  config: configs.Config, data_dir: str, split: str
) -> splits.RandomAccess:
  limit = config.num_eval_train_examples if split == 'eval_train' else None
  name, stored_split = _place(config, split)
  return splits.open_split(
    data_dir,
    name,
    stored_split,
    skip=('image',),
    limit=limit,
    workload=config.name,
  )


def _place(config: configs.Config, split: str) -> tuple[str, str]:
  """Data set and split on disk of a split of the workload."""
  if split == 'test':
    return _TEST_SET, 'test'
  return config.dataset, 'train' if split == 'eval_train' else split
