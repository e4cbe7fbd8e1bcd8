"""FineWeb-Edu, 10B-token sample, as windows of GPT-2 tokens on disk.

Dimensions: B batch, L sequence.

Windows of L + 1 tokens that were cut from the joined documents of a split; the
first L are inputs, the last L targets. Nothing marks or masks the borders of
documents within a window, as in AlgoPerf. Unlike there, the order of an epoch
is a permutation of all windows, not the stored one shuffled within a buffer of
1,000.

As in AlgoPerf evaluation takes whole batches: the first windows of a split, as
many as the configuration says, rounded up to a multiple of the batch size.
"""

from collections.abc import Iterator, Mapping
import math
import pathlib
from typing import Any

import grain
import numpy as np
import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import batches, rows, splits, store, stream
from workloads.language_model import configs, fineweb_text

NAME = 'fineweb_edu_10b'


def info(builder: store.Builder, window: int) -> tfds.core.DatasetInfo:
  """The schema: `tokens`, uint16 [window], in the order that they come in."""
  tokens = tfds.features.Tensor(
    shape=(window,), dtype=np.uint16, encoding=tfds.features.Encoding.BYTES
  )
  return tfds.core.DatasetInfo(
    builder=builder,
    features=tfds.features.FeaturesDict({'tokens': tokens}),
    disable_shuffling=True,
  )


class FinewebEdu10b(store.Builder):
  """Windows of tokens, cut from documents that `fineweb_text` tokenised."""

  name = NAME
  VERSION = tfds.core.Version('1.0.0')

  def __init__(self, *, window: int, tokens: pathlib.Path, **arguments: Any):
    """A window has that many tokens; `tokens` is where documents are."""
    self._window = window
    self._tokens = tokens
    super().__init__(**arguments)

  def _info(self) -> tfds.core.DatasetInfo:
    return info(self, self._window)

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
    del dl_manager
    splits = fineweb_text.splits(self._tokens)
    return {
      split: self._generate_examples(documents)
      for split, documents in splits.items()
    }

  def _generate_examples(
    self, documents: Iterator[np.ndarray]
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    windows = fineweb_text.windows(documents, self._window)
    return ((i, {'tokens': tokens}) for i, tokens in enumerate(windows))


def prepare(config: configs.Config, data_dir: str, report: spec.Report) -> None:
  """Tokenises the text below '<data_dir>/downloads' and cuts it up."""
  downloads = pathlib.Path(data_dir) / 'downloads'
  tokens = downloads / f'{NAME}_tokens'
  builder = FinewebEdu10b(
    window=config.sequence_length + 1, tokens=tokens, data_dir=data_dir
  )
  if store.is_prepared(builder):
    return
  fineweb_text.tokenise(
    downloads / NAME,
    tokens,
    cache_dir=downloads,
    workload=config.name,
    report=report,
  )
  store.prepare(builder, report)


def check(config: configs.Config, data_dir: str) -> None:
  for split in ('train', 'validation'):
    _source(config, data_dir, split)


def needs(config: configs.Config) -> spec.DataNeeds:
  del config  # The same for all.
  return spec.DataNeeds(
    source='the text of FineWeb-Edu, sample-10BT (28 GB)',
    disk_gib=70,  # Text, tokens, and windows of them.
    time='1 to 3 hours on 16 cores',
  )


def num_stored(config: configs.Config, data_dir: str, split: str) -> int:
  return len(_source(config, data_dir, split))


def train_batches(
  config: configs.Config,
  data_dir: str,
  batch_size: int,
  data_rng: spec.RandomState,
  hosts: rows.Hosts | None = None,
) -> grain.DatasetIterator[batches.Batch]:
  return stream.train_stream(
    _source(config, data_dir, 'train'),
    data_rng=data_rng,
    batch_size=batch_size,
    transform=_shifted,
    workers=stream.workers(config.workers),
    hosts=hosts,
  )


def eval_batches(
  config: configs.Config,
  data_dir: str,
  split: str,
  batch_size: int,
  tight: bool = False,
) -> Iterator[batches.Batch]:
  counts = {
    'eval_train': config.num_eval_train_examples,
    'validation': config.num_validation_examples,
    'test': config.num_test_examples,
  }
  if not counts[split]:
    return
  whole = config.eval_batch_size
  limit = math.ceil(counts[split] / whole) * whole
  stored = 'train' if split == 'eval_train' else split
  windows = _source(config, data_dir, stored, limit)
  for batch in stream.eval_stream(
    windows,
    batch_size=batch_size,
    transform=_shifted,
    workers=stream.workers(config.workers),
    tight=tight,
  ):
    weights_BxL = np.repeat(
      batch['weights'][:, None], config.sequence_length, axis=1
    )
    yield {**batch, 'weights': weights_BxL}


def _shifted(
  example: Mapping[str, np.ndarray], rng: np.random.Generator | None = None
) -> dict[str, np.ndarray]:
  del rng  # Nothing about a window is drawn.
  tokens = example['tokens'].astype(np.int32)
  return {'inputs': tokens[:-1], 'targets': tokens[1:]}


def _source(
  config: configs.Config, data_dir: str, split: str, limit: int | None = None
) -> splits.RandomAccess:
  windows = splits.open_split(
    data_dir, NAME, split, limit=limit, workload=config.name
  )
  found, wanted = len(windows[0]['tokens']), config.sequence_length + 1
  if found != wanted:
    raise spec.UsageError(
      f'The windows of {NAME} in {data_dir} have {found} tokens, not {wanted}: '
      'choose another --data_dir.'
    )
  return windows
