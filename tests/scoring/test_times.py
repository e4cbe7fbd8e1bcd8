"""Times of trials, studies and workloads, by hand."""

from collections.abc import Sequence
import math
import operator

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from algoperf import spec
from scoring import logs, studies, times, trial_files

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


def where(
  submission: str, workload: str, study: int, trial: int
) -> trial_files.Trial:
  return trial_files.Trial(
    path=f'{submission}/{workload}/{study}/{trial}',
    submission=submission,
    workload=workload,
    study=study,
    trial=trial,
    framework='jax',
  )


def read(trials: Sequence[Sequence[float]], ended: str = '') -> logs.Logs:
  """Trials of one study, evaluated at 10, 20 … seconds and steps 1, 11 …"""
  lengths = [len(values) for values in trials]
  places = np.concatenate([np.arange(n) for n in lengths] or [[]])
  unknown_N = np.full(len(places), NAN)
  records = [
    logs.Record(
      where=where('a', 'lm', 1, number),
      log='' if length else 'damaged',
      evaluations=length,
      ended=ended,
    )
    for number, length in enumerate(lengths, start=1)
  ]
  return logs.Logs(
    records=records,
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
  _, found, _ = times.of_trials(
    read([[9, 5, 5], values, [5]]), {'lm': goal(comparison)}, 1.0
  )
  assert found.status == ('missed' if time == INF else 'reached')
  np.testing.assert_array_equal(
    [found.time, found.last_miss, found.step, found.best],
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
  for row, values in zip(found, trials, strict=True):
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
  (trial,) = times.of_trials(read([[9]], ended), {'lm': goal()}, 1.0)
  assert trial.diverged == diverged
  assert trial.failed == failed


def test_what_was_reached_by_breaking_a_rule_is_not_reached():
  (row,) = times.of_trials(read([[9, 3]], 'disqualified'), {'lm': goal()}, 1.0)
  assert (row.status, row.time, row.last_miss) == ('missed', INF, 20.0)


def test_over_budget():
  trials = times.of_trials(read([[9] * 9, [9] * 10]), {'lm': goal()}, 1.0)
  assert [t.over_budget for t in trials] == [False, True]  # 90 s and 100 s.
  trials = times.of_trials(read([[9] * 9, [9] * 10]), {'lm': goal()}, 1.5)
  assert not any(trial.over_budget for trial in trials)


def trial(
  place: tuple[str, str, int, int], time: float, last_miss: float, rounds: float
) -> times.Trial:
  return times.Trial(
    record=logs.Record(where=where(*place)),
    status='reached' if math.isfinite(time) else 'missed',
    time=time,
    last_miss=last_miss,
    step=time * 10,
    last_miss_step=last_miss * 10,
    rounds=rounds,
    best=NAN,
    end_time=time,
    diverged=False,
    failed=False,
    over_budget=False,
  )


TRIALS = [
  trial(('a', 'lm', 1, 1), 30.0, 20.0, 2),
  trial(('a', 'lm', 1, 2), 25.0, 24.0, 5),
  trial(('a', 'lm', 1, 3), 25.0, 22.0, 3),
  trial(('a', 'lm', 2, 1), INF, 90.0, INF),
  trial(('a', 'vit', 2, 4), 7.0, 0.0, 1),
  trial(('a', 'not asked for', 1, 1), 1.0, 0.0, 1),
]


@pytest.mark.parametrize(
  ('key', 'winner', 'time', 'last_miss'),
  [('time', 2, 25.0, 24.0), ('step', 2, 25.0, 24.0), ('rounds', 1, 30.0, 20.0)],
)
def test_the_trial_that_counts(
  key: str, winner: int, time: float, last_miss: float
):
  found = studies.Grouping.of(TRIALS, ['lm', 'vit']).studies(key)
  names = ['submission', 'workload', 'study']
  names += ['time', 'last_miss', 'trial', 'trials', 'reached']
  assert list(map(operator.attrgetter(*names), found)) == [
    ('a', 'lm', 1, time, last_miss, winner, 3, 3),
    ('a', 'lm', 2, INF, 90.0, None, 1, 0),
    ('a', 'vit', 1, INF, 0.0, None, 0, 0),  # Missing: not reached.
    ('a', 'vit', 2, 7.0, 0.0, 4, 1, 1),
  ]
  assert [study.step for study in found] == [time * 10, INF, INF, 70.0]
  path = f'a/lm/1/{winner}'
  assert [study.path for study in found] == [path, '', '', 'a/vit/2/4']


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
  assert studies.medians(np.array(values)) == median


def test_values_by_study():
  found = studies.Grouping.of(TRIALS, ['lm', 'vit']).studies('time')
  time_SxWxK = studies.by_study(
    [(study.submission, study.workload, study.time) for study in found],
    ['b', 'a'],
    ['vit', 'lm'],
  )
  np.testing.assert_array_equal(
    time_SxWxK, [[[NAN, NAN], [NAN, NAN]], [[INF, 7], [25, INF]]]
  )
