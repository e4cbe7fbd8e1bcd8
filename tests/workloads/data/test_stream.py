"""Streams: who comes when, the same for any workers and hosts, resumable."""

import itertools
import pickle

import grain
from hypothesis import given, settings, strategies
import numpy as np
import pytest

from algoperf import spec
from workloads.data import stream

KEY = np.array([5, 77], np.uint32)


class Numbers:
  """Example i is the number i."""

  def __init__(self, size):
    self.size = size

  def __len__(self):
    return self.size

  def __getitem__(self, index):
    assert 0 <= index < self.size
    return {'number': index}


def noisy(example, rng):
  return {
    'number': np.int32(example['number']),
    'noise': rng.standard_normal(2_000),
  }


def brief(example, rng):
  return {'number': np.int32(example['number']), 'noise': rng.random()}


def plain(example):
  return {'number': np.full(3, example['number'] + 1)}


def is_even(example):
  return example['number'] % 2 == 0


def in_pairs(examples):
  """Two examples become one: stands for packing."""
  return examples.batch(2)


def train(size=200, *, batch_size=64, transform=brief, key=KEY, **arguments):
  return stream.train_stream(
    Numbers(size),
    data_rng=key,
    batch_size=batch_size,
    transform=transform,
    **arguments,
  )


def take(iterator, count):
  """The next elements, and an end of the iterator's threads and processes."""
  found = list(itertools.islice(iterator, count))
  iterator.close()
  return found


def assert_same(first, second):
  assert len(first) == len(second)
  for one, other in zip(first, second, strict=True):
    assert one.keys() == other.keys()
    for key in one:
      assert one[key].dtype == other[key].dtype
      np.testing.assert_array_equal(one[key], other[key])


@settings(max_examples=25, deadline=None)
@given(
  size=strategies.integers(1, 200),
  rows=strategies.integers(1, 50),
  hosts=strategies.sampled_from([1, 2, 4]),
  seed=strategies.integers(0, 2**32 - 1),
)
def test_epochs_are_permutations_on_any_number_of_hosts(
  size, rows, hosts, seed
):
  batch_size = rows * hosts
  num_batches = -(-3 * size // batch_size)
  parts = [
    take(
      train(
        size,
        batch_size=batch_size,
        key=np.array([0, seed], np.uint32),
        hosts=(host, hosts),
      ),
      num_batches,
    )
    for host in range(hosts)
  ]
  numbers = np.concatenate(
    [part['number'] for batch in zip(*parts, strict=True) for part in batch]
  )
  for epoch in range(3):
    seen = numbers[epoch * size : (epoch + 1) * size]
    assert sorted(seen) == list(range(size))
  noise = np.concatenate([part['noise'] for part in itertools.chain(*parts)])
  assert len(np.unique(noise)) == len(noise)


def test_epochs_and_keys_give_different_orders():
  order = np.concatenate(
    [b['number'] for b in take(train(64, batch_size=64), 2)]
  )
  other = take(train(64, batch_size=64, key=np.array([5, 78])), 1)[0]['number']
  orders = [order[:64], order[64:], other, np.arange(64)]
  for first, second in itertools.combinations(orders, 2):
    # Two permutations agree in about one place.
    assert np.sum(first == second) < 8


def test_every_place_is_equally_likely():
  size, epochs = 16, 64
  batches = take(train(size, batch_size=size), epochs)
  counts = np.zeros((size, size))
  for batch in batches:
    counts[batch['number'], np.arange(size)] += 1
  # 15² degrees of freedom: mean 225, standard deviation 21.
  chi_square = np.sum((counts - epochs / size) ** 2) / (epochs / size)
  assert 225 - 4 * 21 < chi_square < 225 + 4 * 21


@pytest.mark.parametrize('hosts', [1, 4])
@pytest.mark.parametrize(
  'stages', [{}, {'keep': is_even}, {'keep': is_even, 'finish': in_pairs}]
)
def test_hosts_share_the_batches_of_one(hosts, stages):
  whole = take(train(**stages), 7)
  parts = [
    take(train(hosts=(host, hosts), **stages), 7) for host in range(hosts)
  ]
  joined = [
    {key: np.concatenate([p[key] for p in batch]) for key in batch[0]}
    for batch in zip(*parts, strict=True)
  ]
  assert_same(joined, whole)


@pytest.mark.parametrize('workers', [1, 4])
def test_workers_change_nothing(workers):
  # More than an epoch; block sizes that do not divide the epoch.
  alone = take(train(transform=noisy), 6)
  assert_same(take(train(transform=noisy, workers=workers), 6), alone)


def test_workers_change_nothing_where_examples_are_filtered():
  stages = {'keep': is_even, 'finish': in_pairs, 'transform': noisy}
  assert_same(take(train(workers=2, **stages), 4), take(train(**stages), 4))


@pytest.mark.parametrize(
  'stages', [{}, {'keep': is_even}, {'keep': is_even, 'finish': in_pairs}]
)
def test_state_at_any_batch_continues(stages):
  whole = take(train(**stages), 5)
  running = train(**stages)
  for start in range(5):
    state = pickle.loads(pickle.dumps(running.get_state()))
    fresh = train(**stages)
    fresh.set_state(state)
    assert_same(take(fresh, 5 - start), whole[start:])
    next(running)
  running.set_state(state)
  assert_same(take(running, 1), whole[4:])


def test_state_is_good_for_another_number_of_workers():
  whole = take(train(), 8)
  with_worker = train(workers=1)
  next(with_worker), next(with_worker)
  state = with_worker.get_state()
  assert_same([next(with_worker)], whole[2:3])
  with_worker.set_state(state)
  assert_same(take(with_worker, 2), whole[2:4])
  alone = train()
  alone.set_state(state)
  assert_same(take(alone, 6), whole[2:])


def test_filtering_drops_nothing_else():
  batches = take(train(20, batch_size=5, keep=is_even), 4)
  numbers = np.concatenate([batch['number'] for batch in batches])
  evens = list(range(0, 20, 2))
  assert sorted(numbers[:10]) == sorted(numbers[10:]) == evens


def test_an_error_in_a_worker_arrives():
  with pytest.raises(KeyError, match='absent'):
    take(train(workers=1, transform=lambda e, _: {'x': e['absent']}), 1)


@pytest.mark.parametrize('batch_size', [1, 5, 23, 40])
@pytest.mark.parametrize('hosts', [1, 2])
def test_evaluation_has_each_example_once(batch_size, hosts):
  batch_size *= hosts
  parts = [
    list(
      stream.eval_stream(
        Numbers(23), batch_size=batch_size, transform=plain, hosts=(h, hosts)
      )
    )
    for h in range(hosts)
  ]
  rows = {
    key: np.concatenate(
      [part[key] for batch in zip(*parts, strict=True) for part in batch]
    )
    for key in ('number', 'weights')
  }
  total = -(-23 // batch_size) * batch_size
  assert rows['weights'].dtype == np.float32
  expected = np.zeros((total, 3))
  expected[:23] = np.arange(1, 24)[:, None]
  np.testing.assert_array_equal(rows['number'], expected)
  np.testing.assert_array_equal(rows['weights'], np.arange(total) < 23)


def test_evaluation_by_workers():
  arguments = {'batch_size': 4, 'transform': plain}
  alone = list(stream.eval_stream(Numbers(9), **arguments))
  helped = list(stream.eval_stream(Numbers(9), workers=2, **arguments))
  assert_same(helped, alone)


@pytest.mark.parametrize('batch_size', [0, 6])
def test_batches_that_hosts_cannot_share(batch_size):
  with pytest.raises(spec.UsageError, match=f'Batch size {batch_size} '):
    train(batch_size=batch_size, hosts=(0, 4))


def test_an_iterator_of_grain():
  iterator = train()
  assert isinstance(iterator, grain.DatasetIterator)
  iterator.close()
