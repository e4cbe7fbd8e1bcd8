"""Streams of batches from prepared data sets that stay on disk.

Training: epochs follow each other without a seam. Position p of the endless
order of examples is place p mod N of epoch p div N, each epoch is a permutation
of all N examples, and global batch i has the positions i B … (i + 1) B - 1. So
no example is lost or doubled in an epoch, there is no partial batch, and one
batch may hold the end of an epoch and the start of the next.

Everything random about an example is drawn from (data_rng, epoch, place), so
that batches depend on neither the number of worker processes nor of hosts, and
the state of a stream is a position, good for any number of workers.

Dimensions: B examples in a global batch, N examples of a data set.
"""

from collections.abc import Callable, Iterator
import math
import os
from typing import Any

import grain
import numpy as np

from algoperf import spec
from workloads.data import ahead, rows, splits

Example = splits.Example
Transform = Callable[[Example, np.random.Generator], Example]
Stage = Callable[[grain.IterDataset[Any]], grain.IterDataset[Any]]

_PREFETCHED = 2  # Batches; one of ImageNet is 600 MB.
_PER_TRANSFER = 16  # Examples that a worker hands over at once.
_SHUFFLE_ROUNDS = 4
_ORDER, _TRANSFORM = 0, 1  # What a random stream is for.


def workers(most: int) -> int:
  """A process for each core but one, so many at most; on few cores a thread."""
  try:
    cores = len(os.sched_getaffinity(0))
  except AttributeError:  # Not on Linux.
    cores = os.cpu_count() or 1
  return min(most, cores - 1) if cores > 2 else 0


def train_stream(
  source: splits.RandomAccess,
  *,
  data_rng: spec.RandomState,
  batch_size: int,
  transform: Transform,
  keep: Callable[[Example], bool] | None = None,
  workers: int = 0,
  hosts: rows.Hosts | None = None,
  finish: Stage | None = None,
) -> grain.DatasetIterator[dict[str, np.ndarray]]:
  """Endless shuffled batches of this host's rows.

  Args:
    source: the examples; pickled if there are workers.
    data_rng: a raw jax key, uint32[2].
    batch_size: examples in a global batch, over all hosts.
    transform: makes an example of arrays of one shape and type, unless `finish`
      does; draws from the generator it is given, which is this example's alone.
      Runs in the workers.
    keep: which transformed examples to keep.
    workers: processes that read and transform; with 0 a thread does it.
    hosts: which rows to have, by default jax's process's.
    finish: what to do to the stream of kept examples before batching, such as
      packing; its iterators must give their state. With `keep` or `finish` each
      host transforms the whole stream and takes its rows of each batch; without
      them it reads the examples of its own rows only.

  Returns:
    An iterator whose `get_state()` and `set_state(state)` continue the stream
    with identical batches; `close()` ends its thread and processes.

  Raises:
    UsageError: batches cannot be divided evenly over the hosts, or there is
      nothing to read.
  """
  own = rows.Rows(batch_size, hosts or rows.this_host())
  if not len(source):
    raise spec.UsageError('There are no training examples: prepare the data.')
  seed = tuple(int(word) for word in np.asarray(data_rng))
  examples = _Shuffled(source, seed, transform)
  if keep is None and finish is None:
    block = own.block()
    blocks = ahead.Ahead(
      rows.Blocks(examples, own, block), workers, per_transfer=1
    )
    stream = blocks.batch(own.per_host // block, batch_fn=rows.join)
  else:
    stream = ahead.Ahead(examples, workers, _PER_TRANSFER)
    stream = stream if keep is None else stream.filter(keep)
    stream = stream if finish is None else finish(stream)
    stream = stream.batch(batch_size, batch_fn=own.stack)
  return _batches_ahead(stream)


def eval_stream(
  source: splits.RandomAccess,
  *,
  batch_size: int,
  transform: Callable[[Example], Example],
  workers: int = 0,
  hosts: rows.Hosts | None = None,
  tight: bool = False,
) -> Iterator[dict[str, np.ndarray]]:
  """One pass in order; this host's rows of batches of equal shape.

  The last batch is padded with zeros. Each batch also has `weights`, float32:
  1 for examples, 0 for padding. Hosts get equally many batches.

  Args:
    source: the examples; pickled if there are workers.
    batch_size: examples in a global batch, over all hosts.
    transform: makes an example of arrays of one shape and type. Must work for
      the first example on every host, which shows shapes and types.
    workers: processes that read and transform; with 0 a thread does it.
    hosts: which rows to have, by default jax's process's.
    tight: whether batches have no more rows than the source needs.
  """
  if tight:
    batch_size = rows.needed(batch_size, len(source))
  own = rows.Rows(batch_size, hosts or rows.this_host())
  block = own.block()
  per_batch = own.per_host // block
  blocks = ahead.Ahead(
    rows.Blocks(_InOrder(source, transform), own, block),
    workers,
    per_transfer=1,
    length=math.ceil(len(source) / batch_size) * per_batch,
  )
  batches = _batches_ahead(blocks.batch(per_batch, batch_fn=rows.join))
  try:
    yield from batches
  finally:
    batches.close()


def _batches_ahead(
  stream: grain.IterDataset[dict[str, np.ndarray]],
) -> grain.DatasetIterator[dict[str, np.ndarray]]:
  return iter(
    grain.experimental.ThreadPrefetchIterDataset(
      stream, prefetch_buffer_size=_PREFETCHED
    )
  )


class _Shuffled:
  """The endless order of transformed training examples."""

  def __init__(
    self,
    source: splits.RandomAccess,
    seed: tuple[int, ...],
    transform: Transform,
  ):
    self._source = source
    self._seed = seed
    self._transform = transform

  def __getitem__(self, position: int) -> Example:
    size = len(self._source)
    epoch, place = divmod(position, size)
    # A cipher on the places: an array of them would take 240 MB in every worker
    # for the largest data set.
    order = np.random.SeedSequence((*self._seed, _ORDER, epoch))
    index = grain.experimental.index_shuffle(
      place,
      max_index=size - 1,
      seed=int(order.generate_state(1)[0]),
      rounds=_SHUFFLE_ROUNDS,
    )
    rng = np.random.default_rng((*self._seed, _TRANSFORM, epoch, place))
    return self._transform(self._source[index], rng)


class _InOrder:
  """Each transformed example once, then as much padding as one likes."""

  def __init__(
    self, source: splits.RandomAccess, transform: Callable[[Example], Example]
  ):
    self._source = source
    self._transform = transform
    self._padding: dict[str, np.ndarray] | None = None

  def __getitem__(self, position: int) -> Example:
    if position < len(self._source):
      example = self._transform(self._source[position])
      return {**example, 'weights': np.float32(1)}
    if self._padding is None:
      first = self[0]
      self._padding = {key: np.zeros_like(leaf) for key, leaf in first.items()}
    return self._padding
