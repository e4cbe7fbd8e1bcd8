"""Sentence pairs of the family as rows of tokens.

Training rows are packed, rows for evaluation are padded. The pairs of `wmt`
stay on disk, those of the small sibling are few and kept as packed rows. As in
AlgoPerf, pairs with more than `max_length` tokens on a side are left out of
every split; unlike there, the order of an epoch is a permutation of all of its
pairs and not the stored one, shuffled within a buffer of 1,024.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import functools
import itertools
import pathlib

import grain
import numpy as np

from algoperf import spec
from workloads.data import batches, packing, rows, splits, stream, tokenizer
from workloads.wmt import configs, corpora


def prepare(
  config: configs.Config, data_dir: str, report: spec.Report = spec.silent
) -> None:
  """Puts data sets and vocabulary below data_dir unless they are there.

  The vocabulary is trained on the training pairs in the order on disk, an input
  line and a target line in turn.

  Raises:
    UsageError: they cannot be made here.
  """
  corpus = corpora.CORPORA[config.corpus]
  corpus.prepare(data_dir, report)
  path = _vocabulary(config, data_dir)
  if not path.exists():
    report(f'{config.name}: training the vocabulary {path}')
    lines = (
      line
      for pair in _source(config, data_dir, 'train')
      for line in (pair[corpus.inputs].decode(), pair[corpus.targets].decode())
    )
    tokenizer.write(path, tokenizer.train(lines, config.vocab_size))


def check(config: configs.Config, data_dir: str) -> None:
  """Refuses data that are not there as a whole.

  Raises:
    UsageError: with the command that mends it.
  """
  for split in spec.SPLITS:
    _source(config, data_dir, split)
  load_tokenizer(config, data_dir)


def needs(config: configs.Config) -> spec.DataNeeds:
  return corpora.CORPORA[config.corpus].needs


def num_stored(config: configs.Config, data_dir: str, split: str) -> int:
  return len(_source(config, data_dir, split))


def load_tokenizer(
  config: configs.Config, data_dir: str
) -> tokenizer.Tokenizer:
  """The vocabulary of a corpus.

  Raises:
    UsageError: it is not there, or is not this one.
  """
  return tokenizer.read(
    _vocabulary(config, data_dir), config.vocab_size, workload=config.name
  )


def load(
  config: configs.Config, data_dir: str, split: str
) -> tuple[packing.Tokens, packing.Tokens]:
  """Token ids of all inputs and targets of a split, in the order on disk.

  Pairs with more than `max_length` tokens on a side are left out. 'eval_train'
  is the first part of the training pairs that are left.
  """
  encode = _encoder(config, data_dir)
  encoded = map(encode, _source(config, data_dir, split))
  fitting = (pair for pair in encoded if _fits(pair, config.max_length))
  limit = config.num_eval_train_examples if split == 'eval_train' else None
  kept = list(itertools.islice(fitting, limit))
  return [p['inputs'] for p in kept], [p['targets'] for p in kept]


def train_rows(
  config: configs.Config, data_dir: str, data_rng: spec.RandomState
) -> dict[str, np.ndarray]:
  """All training pairs, shuffled and packed, with `weights` of the targets."""
  inputs, targets = load(config, data_dir, 'train')
  order = np.random.default_rng(np.asarray(data_rng)).permutation(len(inputs))
  packed = packing.pack(
    [inputs[i] for i in order],
    [targets[i] for i in order],
    config.max_length,
  )
  return packed | {'weights': packing.weights(packed['targets'])}


def train_batches(
  config: configs.Config,
  data_dir: str,
  batch_size: int,
  data_rng: spec.RandomState,
  hosts: rows.Hosts | None = None,
) -> grain.DatasetIterator[batches.Batch]:
  """Endless batches of packed rows, in another order every epoch.

  From disk pairs are packed anew in each epoch; each host packs all of them
  and has its rows of each batch.

  Args:
    config: the workload's.
    data_dir: where the data are.
    batch_size: rows of a batch, those of all hosts together.
    data_rng: a raw jax key, uint32[2].
    hosts: which rows to have, by default jax's process's.
  """
  if config.in_memory:
    packed = train_rows(config, data_dir, data_rng)
    return batches.train_batches(packed, batch_size, data_rng)
  return stream.train_stream(
    _source(config, data_dir, 'train'),
    data_rng=data_rng,
    batch_size=batch_size,
    transform=_encoder(config, data_dir),
    keep=functools.partial(_fits, length=config.max_length),
    workers=stream.workers(config.workers),
    hosts=hosts,
    finish=functools.partial(packing.Rows, length=config.max_length),
  )


def eval_batches(
  config: configs.Config,
  data_dir: str,
  split: str,
  batch_size: int,
  tight: bool = False,
) -> Iterator[batches.Batch]:
  """One pass over a split, one pair a row; the last batch is padded."""
  inputs, targets = load(config, data_dir, split)
  pairs = {
    'inputs': packing.pad(inputs, config.max_length),
    'targets': packing.pad(targets, config.max_length),
  }
  for batch in batches.eval_batches(pairs, batch_size, tight):
    yield batch | {'weights': packing.weights(batch['targets'])}


@dataclasses.dataclass(frozen=True)
class _Encoder:
  """Text of two languages to tokens of both sides; for any process."""

  vocabulary: tokenizer.Tokenizer
  inputs: str
  targets: str

  def __call__(
    self, pair: Mapping[str, bytes], rng: np.random.Generator | None = None
  ) -> dict[str, np.ndarray]:
    del rng  # Nothing about a pair is drawn.
    lines = [pair[self.inputs].decode(), pair[self.targets].decode()]
    inputs, targets = self.vocabulary.encode(lines)
    return {'inputs': inputs, 'targets': targets}


def _encoder(config: configs.Config, data_dir: str) -> _Encoder:
  corpus = corpora.CORPORA[config.corpus]
  return _Encoder(
    load_tokenizer(config, data_dir), corpus.inputs, corpus.targets
  )


def _fits(pair: Mapping[str, np.ndarray], length: int) -> bool:
  return max(len(pair['inputs']), len(pair['targets'])) <= length


def _source(
  config: configs.Config, data_dir: str, split: str
) -> splits.RandomAccess:
  corpus = corpora.CORPORA[config.corpus]
  training = split in ('train', 'eval_train')
  return splits.open_split(
    data_dir,
    corpus.train if training else corpus.held_out,
    'train' if training else split,
    workload=config.name,
  )


def _vocabulary(config: configs.Config, data_dir: str) -> pathlib.Path:
  return pathlib.Path(data_dir) / f'{config.corpus}_sentencepiece_model'
