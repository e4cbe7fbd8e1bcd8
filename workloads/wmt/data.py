"""Sentence pairs of the family as rows of tokens.

The numerals are the small data set; of the WMT data sets, which differ only in
their TFDS builders and the order of languages, nothing can be read yet.
"""

from collections.abc import Iterator
import pathlib

import grain
import numpy as np
import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import batches, store
from workloads.wmt import configs, numerals, packing, tokenizer

LANGUAGES = ('en', 'de')  # Of inputs and of targets.


def prepare(config: configs.Config, data_dir: str) -> None:
  """Puts data set and vocabulary below data_dir unless they are there.

  Raises:
    UsageError: they cannot be made here.
  """
  builder = _builder(config, data_dir)
  store.prepare(builder)
  path = _vocabulary(config, data_dir)
  if not path.exists():
    inputs, targets = _sentences(builder, 'train')
    lines = (
      line for pair in zip(inputs, targets, strict=True) for line in pair
    )
    tokenizer.write(path, tokenizer.train(lines, config.vocab_size))


def is_ready(config: configs.Config, data_dir: str) -> bool:
  builder = _builder(config, data_dir)
  return store.is_prepared(builder) and _vocabulary(config, data_dir).exists()


def load_tokenizer(
  config: configs.Config, data_dir: str
) -> tokenizer.Tokenizer:
  return tokenizer.read(_vocabulary(config, data_dir), config.vocab_size)


def load(
  config: configs.Config, data_dir: str, split: str
) -> tuple[packing.Tokens, packing.Tokens]:
  """Token ids of all inputs and targets of a split, in the order on disk.

  Pairs with more than `max_length` tokens on a side are left out. 'eval_train'
  is the first part of the training pairs.
  """
  builder = _builder(config, data_dir)
  sides = _sentences(builder, 'train' if split == 'eval_train' else split)
  if split == 'eval_train':
    sides = [side[: config.num_eval_train_examples] for side in sides]
  vocabulary = load_tokenizer(config, data_dir)
  encoded = zip(*(vocabulary.encode(side) for side in sides), strict=True)
  kept = [pair for pair in encoded if max(map(len, pair)) <= config.max_length]
  inputs, targets = zip(*kept, strict=True)
  return inputs, targets


def train_rows(
  config: configs.Config, data_dir: str, data_rng: spec.RandomState
) -> dict[str, np.ndarray]:
  """All training pairs, shuffled and packed, with `weights` of the targets."""
  inputs, targets = load(config, data_dir, 'train')
  order = np.random.default_rng(np.asarray(data_rng)).permutation(len(inputs))
  rows = packing.pack(
    [inputs[i] for i in order],
    [targets[i] for i in order],
    config.max_length,
  )
  return rows | {'weights': _weights(rows['targets'])}


def train_batches(
  config: configs.Config,
  data_dir: str,
  batch_size: int,
  data_rng: spec.RandomState,
) -> grain.DatasetIterator[batches.Batch]:
  """Endless batches of packed rows, in another order every epoch."""
  rows = train_rows(config, data_dir, data_rng)
  return batches.train_batches(rows, batch_size, data_rng)


def eval_batches(
  config: configs.Config, data_dir: str, split: str, batch_size: int
) -> Iterator[batches.Batch]:
  """One pass over a split, one pair a row; the last batch is padded."""
  inputs, targets = load(config, data_dir, split)
  rows = {
    'inputs': packing.pad(inputs, config.max_length),
    'targets': packing.pad(targets, config.max_length),
  }
  for batch in batches.eval_batches(rows, batch_size):
    yield batch | {'weights': _weights(batch['targets'])}


def _weights(targets_BxT: np.ndarray) -> np.ndarray:
  return (targets_BxT != 0).astype(np.float32)


def _sentences(
  builder: tfds.core.DatasetBuilder, split: str
) -> list[list[str]]:
  stored = store.read(builder, split)
  return [[line.decode() for line in stored[name]] for name in LANGUAGES]


def _vocabulary(config: configs.Config, data_dir: str) -> pathlib.Path:
  return pathlib.Path(data_dir) / f'{config.corpus}_sentencepiece_model'


def _builder(config: configs.Config, data_dir: str) -> store.Builder:
  if config.corpus != 'numerals':
    raise spec.UsageError(
      f'The data sets of workload {config.name} cannot be read by this '
      f'version: train {configs.NUMERALS_WMT.name} instead.'
    )
  return numerals.NumeralsTranslate(data_dir=data_dir)
