"""Batches of every pipeline: the same for any workers and hosts, resumable.

Training batches of the small siblings come from memory, as `data/test_batches`
has it: without workers, and whole on every host, which takes its own rows.
"""

from collections.abc import Callable, Iterator
import itertools
import pickle

import numpy as np
import pytest

from algoperf import spec
from tests.workloads import pipelines
from tests.workloads.streams import assert_same, joined, take
from workloads.data import rows, stream

KEY = np.array([3, 7], np.uint32)
BATCH_SIZE = 8

Queue = Callable[..., Iterator[spec.Batch]]
ON_DISK = pytest.mark.parametrize('name', pipelines.ON_DISK)


@pytest.fixture
def queue(name: str, tiny: str, data_dir: str) -> Queue:
  """Makes the batches of a split of a pipeline."""
  work = pipelines.workload(name)
  where = data_dir if name in pipelines.IN_MEMORY else tiny
  work.require_data(where)
  return lambda split, key=KEY: work.build_input_queue(
    key, split, where, BATCH_SIZE
  )


def of_each_host(
  monkeypatch: pytest.MonkeyPatch, batches: Callable[[], list[spec.Batch]]
) -> list[list[spec.Batch]]:
  """What each of four hosts gets."""
  parts = []
  for host in range(4):
    monkeypatch.setattr(rows, 'this_host', lambda host=host: (host, 4))
    parts.append(batches())
  return parts


def use_workers(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
  monkeypatch.setattr(stream, 'workers', lambda most: count)


@ON_DISK
@pytest.mark.parametrize(
  'workers', [1, pytest.param(4, marks=pytest.mark.long)]
)
def test_workers_change_nothing_in_training(queue, workers, monkeypatch):
  use_workers(monkeypatch, 0)
  expected = take(queue('train'), 5)
  use_workers(monkeypatch, workers)
  assert_same(take(queue('train'), 5), expected)


@ON_DISK
@pytest.mark.long
def test_workers_change_nothing_in_evaluation(queue, monkeypatch):
  use_workers(monkeypatch, 0)
  expected = list(queue('validation'))
  use_workers(monkeypatch, 4)
  assert_same(list(queue('validation')), expected)


@ON_DISK
def test_hosts_share_the_batches_of_training(queue, monkeypatch):
  whole = take(queue('train'), 5)
  parts = of_each_host(monkeypatch, lambda: take(queue('train'), 5))
  assert_same(joined(parts), whole)
  (other,) = take(queue('train', KEY + 1), 1)
  assert np.any(other['targets'] != parts[0][0]['targets'])


@pytest.mark.parametrize(
  ('name', 'split'),
  [
    *itertools.product(pipelines.ON_DISK, ['eval_train', 'validation', 'test']),
    *itertools.product(pipelines.IN_MEMORY, ['validation']),
  ],
)
def test_hosts_share_the_batches_of_evaluation(queue, name, split, monkeypatch):
  whole = list(queue(split))
  assert len(whole) > 0 or (name, split) == ('finewebedu_lm', 'test')
  parts = of_each_host(monkeypatch, lambda: list(queue(split)))
  assert_same(joined(parts), whole)


@ON_DISK
def test_state_at_any_batch_continues(queue):
  whole = take(queue('train'), 6)
  running, fresh = queue('train'), queue('train')
  for start in range(6):
    state = pickle.loads(pickle.dumps(running.get_state()))
    assert_same([next(running)], whole[start : start + 1])
    if start in (0, 1, 4):
      fresh.set_state(state)
      assert_same([next(fresh) for _ in whole[start:]], whole[start:])
  running.close(), fresh.close()


@pytest.mark.parametrize(
  ('name', 'missing'),
  [
    (
      'imagenet_resnet',
      '23 of the 1281167 examples of train, 11 of the 50000 examples of '
      'validation, 6 of the 10000 examples of test',
    ),
    (
      'wmt',
      '70 of the 5906184 examples of train, 20 of the 3000 examples of '
      'validation, 21 of the 3003 examples of test',
    ),
    ('finewebedu_lm', ' of the 8749870 examples of train'),
    (
      'lm1b',
      '90 of the 30301028 examples of train, 20 of the 153344 examples of '
      'validation, 21 of the 153344 examples of test',
    ),
    ('numerals_wmt', ''),
  ],
)
def test_examples_are_counted(name, missing, tiny):
  found = pipelines.workload(name).missing_examples(tiny)
  assert found.endswith(missing) and bool(found) == bool(missing)


@ON_DISK
def test_missing_data_are_one_line_with_the_command(name, tmp_path):
  work = pipelines.workload(name)
  command = f'run `algoperf data prepare {work.name} --data_dir={tmp_path}`'
  for use in (
    work.check_data,
    work.require_data,
    lambda path: work.build_input_queue(KEY, 'train', path, BATCH_SIZE),
  ):
    with pytest.raises(spec.UsageError, match=command) as error:
      use(str(tmp_path))
    assert '\n' not in str(error.value)
