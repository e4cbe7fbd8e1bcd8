"""Times of trials, studies and workloads, by hand."""

from collections.abc import Sequence
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest

from algoperf import spec
from scoring import logs, times

INF, NAN = math.inf, math.nan


def goal(comparison: str = '<=', target: float = 5.0) -> spec.Goal:
  return spec.Goal(
    metric='ppl',
    comparison=comparison,
    validation_target=target,
    test_target=None,
    max_runtime=100.0,
    eval_period=1.0,
    step_hint=10,
    batch_size=1,
  )


def read(trials: Sequence[Sequence[float]], ended: str = '') -> logs.Logs:
  """Trials of one study, evaluated at 10, 20 … seconds and steps 1, 11 …"""
  lengths = [len(values) for values in trials]
  places = np.concatenate([np.arange(n) for n in lengths] or [[]])
  unknown_N = np.full(len(places), NAN)
  frame = pd.DataFrame(
    {
      'submission': 'a',
      'workload': 'lm',
      'study': 1,
      'trial': range(1, len(trials) + 1),
      'path': [f'a/{i}' for i in range(len(trials))],
      'status': ['' if n else 'damaged' for n in lengths],
      'evaluations': lengths,
      'ended': ended,
    }
  )
  return logs.Logs(
    columns=frame.to_dict('list'),
    starts_T1=np.cumsum([0, *lengths]),
    time_N=10.0 * (places + 1),
    step_N=10.0 * places + 1,
    train_N=unknown_N,
    validation_N=np.array([v for values in trials for v in values], float),
    test_N=unknown_N,
    notices=[],
  )


@pytest.mark.parametrize(
  ('comparison', 'values', 'time', 'last_miss', 'step', 'best'),
  [
    ('<=', [9, 6, 5, 4], 30, 20, 21, 4),
    ('<', [9, 6, 5, 4], 40, 30, 31, 4),
    ('>=', [4, 5, 9, 1], 20, 10, 11, 9),
    ('>', [4, 5, 9, 1], 30, 20, 21, 9),
    ('<=', [3, 9, 9], 10, 0, 1, 3),
    ('<=', [9, 8, 7], INF, 30, INF, 7),
    ('<=', [NAN, INF, 5], 30, 20, 21, 5),
    ('>=', [NAN, NAN], INF, 20, INF, NAN),
    # What is not finite is no quality, however good it looks.
    ('>=', [-INF, INF], INF, 20, INF, NAN),
    ('<=', [9, -INF, 4], 30, 20, 21, 4),
  ],
)
def test_time_of_a_trial(
  comparison: str,
  values: list[float],
  time: float,
  last_miss: float,
  step: float,
  best: float,
):
  # Between two others, so that a neighbour's rows would be noticed.
  trials = times.of_trials(
    read([[9, 5, 5], values, [5]]), {'lm': goal(comparison)}, 1.0
  )
  found = trials.iloc[1]
  assert found['status'] == ('missed' if time == INF else 'reached')
  np.testing.assert_array_equal(
    found[['time', 'last_miss', 'step', 'best']].to_numpy(dtype=float),
    [time, last_miss, step, best],
  )


VALUES = st.lists(
  st.sampled_from([1.0, 4.0, 5.0, 6.0, NAN, INF, -INF]), max_size=5
)


@settings(deadline=None, max_examples=100)
@given(st.lists(VALUES, max_size=5), st.sampled_from(['<', '<=', '>', '>=']))
def test_times_of_any_trials(trials: list[list[float]], comparison: str):
  found = times.of_trials(read(trials), {'lm': goal(comparison)}, 1.0)
  met = {'<': float.__lt__, '<=': float.__le__, '>': float.__gt__}
  met['>='] = float.__ge__
  for row, values in zip(found.itertuples(), trials, strict=True):
    hits = [
      i
      for i, value in enumerate(values)
      if math.isfinite(value) and met[comparison](value, 5.0)
    ]
    missed_at = hits[0] if hits else len(values)
    assert row.time == (10.0 * (hits[0] + 1) if hits else INF)
    assert row.step == (10.0 * hits[0] + 1 if hits else INF)
    assert row.rounds == (hits[0] + 1 if hits else INF)
    assert row.last_miss == 10.0 * missed_at
    assert row.last_miss_step == (10 * missed_at - 9 if missed_at else 0)
    assert row.end_time == 10.0 * len(values)
    known = [value for value in values if math.isfinite(value)]
    best = max if comparison.startswith('>') else min
    np.testing.assert_equal(row.best, best(known, default=NAN))
    wild = bool(values) and not math.isfinite(values[-1])
    assert row.diverged == (wild and not hits)
    assert row.status == (
      'reached' if hits else 'missed' if values else 'damaged'
    )


@pytest.mark.parametrize(
  ('ended', 'diverged', 'failed'),
  [
    ('', False, False),
    ('diverged', True, False),
    ('out_of_time', False, False),
    ('timed_out', False, True),
    ('disqualified', False, True),
    ('running', False, True),
  ],
)
def test_how_a_trial_ended(ended: str, diverged: bool, failed: bool):
  trials = times.of_trials(read([[9]], ended), {'lm': goal()}, 1.0)
  assert trials['diverged'].item() == diverged
  assert trials['failed'].item() == failed


def test_what_was_reached_by_breaking_a_rule_is_not_reached():
  row = times.of_trials(
    read([[9, 3]], 'disqualified'), {'lm': goal()}, 1.0
  ).iloc[0]
  assert (row.status, row.time, row.last_miss) == ('missed', INF, 20.0)


def test_over_budget():
  trials = times.of_trials(read([[9] * 9, [9] * 10]), {'lm': goal()}, 1.0)
  assert trials['over_budget'].tolist() == [False, True]  # 90 s and 100 s.
  trials = times.of_trials(read([[9] * 9, [9] * 10]), {'lm': goal()}, 1.5)
  assert not trials['over_budget'].any()


def trial_frame(rows: list[tuple]) -> pd.DataFrame:
  """Trials as (submission, workload, study, trial, time, last_miss, rounds)."""
  names = [*times.KEYS, 'trial', 'time', 'last_miss', 'rounds']
  frame = pd.DataFrame(rows, columns=names)
  return frame.assign(
    step=frame['time'] * 10,
    last_miss_step=frame['last_miss'] * 10,
    status=np.where(np.isfinite(frame['time']), 'reached', 'missed'),
    path=[f'trial of row {i}' for i in range(len(frame))],
  )


TRIALS = trial_frame(
  [
    ('a', 'lm', 1, 1, 30.0, 20.0, 2),
    ('a', 'lm', 1, 2, 25.0, 24.0, 5),
    ('a', 'lm', 1, 3, 25.0, 22.0, 3),
    ('a', 'lm', 2, 1, INF, 90.0, INF),
    ('a', 'vit', 2, 4, 7.0, 0.0, 1),
    ('a', 'not asked for', 1, 1, 1.0, 0.0, 1),
  ]
)


@pytest.mark.parametrize(
  ('key', 'winner', 'time', 'last_miss'),
  [('time', 2, 25.0, 24.0), ('step', 2, 25.0, 24.0), ('rounds', 1, 30.0, 20.0)],
)
def test_the_trial_that_counts(
  key: str, winner: int, time: float, last_miss: float
):
  studies = times.Grouping.of(TRIALS, ['lm', 'vit']).studies(key)
  shown = studies.drop(columns=['step', 'last_miss_step', 'path'])
  names = [*times.KEYS, 'time', 'last_miss', 'trial', 'trials', 'reached']
  shown = shown[names].astype(object)
  assert shown.where(shown.notna(), None).to_numpy().tolist() == [
    ['a', 'lm', 1, time, last_miss, winner, 3, 3],
    ['a', 'lm', 2, INF, 90.0, None, 1, 0],
    ['a', 'vit', 1, INF, 0.0, None, 0, 0],  # Missing: not reached.
    ['a', 'vit', 2, 7.0, 0.0, 4, 1, 1],
  ]
  assert studies['step'].tolist() == [time * 10, INF, INF, 70.0]
  path = f'trial of row {winner - 1}'
  assert studies['path'].tolist() == [path, '', '', 'trial of row 4']


@pytest.mark.parametrize(
  ('values', 'median'),
  [
    ([3.0, 1.0, 2.0], 2.0),
    ([1.0, INF, 3.0], 3.0),
    ([INF, 1.0, INF], INF),
    ([1.0, 4.0], 2.5),
    ([1.0, INF], INF),
    ([INF, INF], INF),
    ([NAN, 4.0, 1.0, NAN, 2.0], 2.0),
    ([NAN, NAN], INF),
  ],
)
def test_infinite_times_take_part_in_the_median(
  values: list[float], median: float
):
  assert times.medians(np.array(values)) == median


def test_values_by_study():
  studies = times.Grouping.of(TRIALS, ['lm', 'vit']).studies('time')
  time_SxWxK, step_SxWxK = times.by_study(
    studies, ['b', 'a'], ['vit', 'lm'], ['time', 'step']
  )
  np.testing.assert_array_equal(
    time_SxWxK, [[[NAN, NAN], [NAN, NAN]], [[INF, 7], [25, INF]]]
  )
  np.testing.assert_array_equal(step_SxWxK, time_SxWxK * 10)
