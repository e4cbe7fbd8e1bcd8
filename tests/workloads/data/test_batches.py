"""Batches: nothing lost, nothing doubled, continued exactly."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from algoperf import spec
from workloads.data import batches

KEY = np.array([0, 7], np.uint32)


def arrays(count):
  return {'inputs': np.arange(count * 2.0).reshape(-1, 2),
          'targets': np.arange(count, dtype=np.int32)}  # fmt: skip


def take(iterator, count):
  return [next(iterator) for _ in range(count)]


def targets(found):
  return np.concatenate([batch['targets'] for batch in found])


def test_an_epoch_is_a_permutation_and_the_next_another():
  stream = batches.train_batches(arrays(12), 4, KEY)
  first, second = (targets(take(stream, 3)) for _ in range(2))
  assert sorted(first) == sorted(second) == list(range(12))
  assert list(first) != list(second)
  stream.close()


def test_the_last_partial_batch_of_an_epoch_is_dropped():
  stream = batches.train_batches(arrays(11), 4, KEY)
  for _ in range(5):
    assert len(set(targets(take(stream, 2)))) == 8
  stream.close()


def test_keys_of_a_batch_belong_together():
  stream = batches.train_batches(arrays(9), 3, KEY)
  batch = next(stream)
  np.testing.assert_array_equal(batch['inputs'][:, 0], batch['targets'] * 2)
  stream.close()


def test_the_order_depends_on_the_key_alone():
  streams = [
    batches.train_batches(arrays(64), 8, key)
    for key in (KEY, KEY.copy(), np.array([7, 0], np.uint32))
  ]
  one, same, other = (targets(take(stream, 20)).tolist() for stream in streams)
  assert one == same
  assert one != other


def add_noise(batch, rng):
  return {**batch, 'inputs': batch['inputs'] + rng.random()}


@pytest.mark.parametrize('transform', [None, add_noise])
@pytest.mark.parametrize('before', [0, 1, 5, 17])
def test_a_restored_stream_goes_on_with_the_same_batches(before, transform):
  stream = batches.train_batches(arrays(10), 3, KEY, transform)
  take(stream, before)
  state = stream.get_state()
  expected = take(stream, 8)
  fresh = batches.train_batches(arrays(10), 3, KEY, transform)
  fresh.set_state(state)
  rewound = stream
  rewound.set_state(state)
  for restored in (fresh, rewound):
    for ours, theirs in zip(take(restored, 8), expected, strict=True):
      np.testing.assert_equal(ours, theirs)
    restored.close()


def test_batches_share_no_memory_with_each_other_or_the_source():
  source = arrays(4)
  stream = batches.train_batches(source, 4, KEY)
  first, second = take(stream, 2)
  assert not np.shares_memory(first['inputs'], second['inputs'])
  assert not np.shares_memory(first['inputs'], source['inputs'])
  stream.close()


@pytest.mark.parametrize('batch_size', [0, 11])
def test_a_batch_size_that_the_data_cannot_fill_is_refused(batch_size):
  with pytest.raises(spec.UsageError, match=str(batch_size)):
    batches.train_batches(arrays(10), batch_size, KEY)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 15))
def test_evaluation_sees_each_example_once_in_order(count, batch_size):
  found = list(batches.eval_batches(arrays(count), batch_size))
  assert {len(array) for batch in found for array in batch.values()} == {
    batch_size
  }
  weights = np.concatenate([batch['weights'] for batch in found])
  assert weights.dtype == np.float32
  assert weights.tolist() == [1] * count + [0] * (len(weights) - count)
  padded = targets(found)
  np.testing.assert_array_equal(padded[:count], np.arange(count))
  assert not padded[count:].any()
