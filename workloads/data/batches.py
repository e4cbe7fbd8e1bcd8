"""Streams of batches from arrays in memory.

Dimensions: B batch.

Training batches come from a Grain pipeline whose elements are whole batches,
one vectorised gather each, so that the host's cost per step is small. One
thread prefetches; the iterator's state continues the stream exactly.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grain
import numpy as np

from algoperf import spec
from workloads.data import rows

Arrays = Mapping[str, np.ndarray]
Batch = dict[str, np.ndarray]
Transform = Callable[[Batch, np.random.Generator], Batch]

_PREFETCHED = 4
_ORDER, _TRANSFORM = 0, 1  # What a random stream is for.


def train_batches(
  arrays: Arrays,
  batch_size: int,
  data_rng: spec.RandomState,
  transform: Transform | None = None,
) -> grain.DatasetIterator[Batch]:
  """Endless shuffled batches of freshly allocated arrays.

  Every epoch is a new permutation of the examples without its last partial
  batch. Batch i depends on (data_rng, i) alone.

  Args:
    arrays: one array a key, all with the same leading dimension.
    batch_size: examples in a batch.
    data_rng: a raw jax key, uint32[2].
    transform: applied to each batch, with a generator for this batch alone.

  Returns:
    An iterator with `get_state()` and `set_state(state)`.

  Raises:
    UsageError: more examples are asked for in a batch than there are.
  """
  num_examples = _num_examples(arrays)
  if not 1 <= batch_size <= num_examples:
    raise spec.UsageError(
      f'Batch size {batch_size} is not between 1 and the {num_examples} '
      'training examples: choose another batch size.'
    )
  seed = tuple(int(word) for word in np.asarray(data_rng))
  batches = _Batches(arrays, batch_size, seed, transform)
  prefetched = grain.experimental.ThreadPrefetchIterDataset(
    batches, prefetch_buffer_size=_PREFETCHED
  )
  return iter(prefetched)


def eval_batches(
  arrays: Arrays,
  batch_size: int,
  tight: bool = False,
  hosts: rows.Hosts | None = None,
) -> Iterator[Batch]:
  """All examples once and in order, in batches of equal shape.

  The last batch is padded with zeros. Each batch also has `weights`, float32
  [B]: 1 for examples, 0 for padding.

  Args:
    arrays: one array a key, all with the same leading dimension.
    batch_size: examples in a batch, over all hosts.
    tight: whether batches have no more rows than there are examples.
    hosts: which rows to have, by default jax's process's.
  """
  num_examples = _num_examples(arrays)
  if tight:
    batch_size = rows.needed(batch_size, num_examples)
  own = rows.Rows(batch_size, hosts or rows.this_host()).own
  for start in range(0, num_examples, batch_size):
    count = min(batch_size, num_examples - start)
    batch = {}
    for name, array in arrays.items():
      batch[name] = np.zeros((batch_size, *array.shape[1:]), array.dtype)
      batch[name][:count] = array[start : start + count]
    batch['weights'] = (np.arange(batch_size) < count).astype(np.float32)
    yield {name: array[own] for name, array in batch.items()}


def _num_examples(arrays: Arrays) -> int:
  lengths = {name: len(array) for name, array in arrays.items()}
  if len(set(lengths.values())) != 1:
    raise ValueError(f'Arrays differ in their number of examples: {lengths}.')
  return next(iter(lengths.values()))


class _Batches(grain.IterDataset[Batch]):
  """The endless stream as a Grain data set."""

  def __init__(
    self,
    arrays: Arrays,
    batch_size: int,
    seed: tuple[int, ...],
    transform: Transform | None,
  ):
    super().__init__()
    self._arrays = dict(arrays)
    self._batch_size = batch_size
    self._seed = seed
    self._transform = transform
    self._num_examples = _num_examples(arrays)
    self.batches_per_epoch = self._num_examples // batch_size

  def __iter__(self) -> '_BatchIterator':
    return _BatchIterator(self)

  def permutation(self, epoch: int) -> np.ndarray:
    """The order of the examples in an epoch."""
    rng = np.random.default_rng((*self._seed, _ORDER, epoch))
    return rng.permutation(self._num_examples)

  def batch(self, index: int, permutation: np.ndarray) -> Batch:
    """Batch `index` of the stream, given its epoch's permutation."""
    start = index % self.batches_per_epoch * self._batch_size
    chosen = permutation[start : start + self._batch_size]
    batch = {name: array[chosen] for name, array in self._arrays.items()}
    if self._transform is None:
      return batch
    rng = np.random.default_rng((*self._seed, _TRANSFORM, index))
    return self._transform(batch, rng)


class _BatchIterator(grain.DatasetIterator[Batch]):
  """Counts batches; its state is the index of the next one."""

  def __init__(self, batches: _Batches):
    super().__init__()
    self._batches = batches
    self._next_index = 0
    self._epoch = -1
    self._permutation = np.empty(0, np.int64)

  def __next__(self) -> Batch:
    epoch = self._next_index // self._batches.batches_per_epoch
    if epoch != self._epoch:
      self._permutation = self._batches.permutation(epoch)
      self._epoch = epoch
    batch = self._batches.batch(self._next_index, self._permutation)
    self._next_index += 1
    return batch

  def get_state(self) -> dict[str, Any]:
    return {'next_index': self._next_index}

  def set_state(self, state: dict[str, Any]) -> None:
    self._next_index = int(state['next_index'])
