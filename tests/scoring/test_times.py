"""Times of trials, studies and workloads, by hand."""

import math
import pathlib

import numpy as np
import pandas as pd
import pytest

from algoperf import spec
from scoring import logs, times
from tests.scoring import logs_on_disk

INF, NAN = math.inf, math.nan


def goal(comparison: str, target: float) -> spec.Goal:
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


def evaluations(values: list[float]) -> logs.Evaluations:
  """Evaluations at 10, 20, 30 … seconds and steps 1, 11, 21 …"""
  count = len(values)
  unknown_N = np.full(count, NAN)
  return logs.Evaluations(
    time_N=10.0 * np.arange(1, count + 1),
    step_N=1.0 + 10 * np.arange(count),
    train_N=unknown_N,
    validation_N=np.array(values),
    test_N=unknown_N,
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
    ('>=', [-INF, INF], 20, 10, 11, INF),
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
  found = times.to_target(evaluations(values), goal(comparison, 5.0))
  assert found['status'] == ('missed' if time == INF else 'reached')
  np.testing.assert_array_equal(
    [found[key] for key in ('time', 'last_miss', 'step', 'best')],
    [time, last_miss, step, best],
  )


def study_frame(rows: list[tuple]) -> pd.DataFrame:
  return pd.DataFrame(
    [row + ('reached', 1, 5.0, '', '') for row in rows],
    columns=times.TRIAL_COLUMNS,
  )


def test_a_study_takes_its_fastest_trial():
  trials = study_frame(
    [
      ('a', 'lm', 1, 1, 30.0, 20.0),
      ('a', 'lm', 1, 2, 25.0, 24.0),
      ('a', 'lm', 1, 3, 25.0, 22.0),
      ('a', 'lm', 2, 1, INF, 90.0),
      ('a', 'vit', 2, 4, 7.0, 0.0),
    ]
  )
  studies = times.of_studies(trials, ['lm', 'vit'])
  assert studies.astype(object).where(
    studies.notna(), None
  ).to_numpy().tolist() == [
    ['a', 'lm', 1, 25.0, 24.0, 2, 3, 3],
    ['a', 'lm', 2, INF, 90.0, None, 1, 0],
    ['a', 'vit', 1, INF, 0.0, None, 0, 0],  # Missing: not reached.
    ['a', 'vit', 2, 7.0, 0.0, 4, 1, 1],
  ]


@pytest.mark.parametrize(
  ('values', 'median'),
  [
    ([3.0, 1.0, 2.0], 2.0),
    ([1.0, INF, 3.0], 3.0),
    ([INF, 1.0, INF], INF),
    ([1.0, 4.0], 2.5),
    ([1.0, INF], INF),
    ([INF, INF], INF),
  ],
)
def test_infinite_times_take_part_in_the_median(
  values: list[float], median: float
):
  trials = study_frame(
    [('a', 'lm', s, 1, value, 0.0) for s, value in enumerate(values)]
  )
  studies = times.of_studies(trials, ['lm'])
  assert times.of_workloads(studies, ['lm']).loc['a', 'lm'] == median


def test_reads_trials_and_curves(tmp_path: pathlib.Path):
  logs_on_disk.write_trial(tmp_path, evaluations=[(2.0, 9.0), (4.0, 4.5)])
  logs_on_disk.write_trial(tmp_path, trial=2, evaluations=[(3.0, 9.0)])
  broken = logs_on_disk.write_trial(tmp_path, trial=3)
  logs_on_disk.write_trial(tmp_path, workload='other', evaluations=[(1, 1)])
  empty = logs_on_disk.write_trial(tmp_path, trial=4)
  (empty / 'eval_measurements.csv').unlink()
  (tmp_path / 'sgd/study_1/lm_jax/trial_1/trial.json').write_text(
    '{"status": "target_reached"}'
  )
  found, _ = logs.find([tmp_path])
  trials, curves, notices = times.of_trials(found, {'lm': goal('<=', 5.0)})
  assert trials['time'].tolist() == [4.0, INF, INF, INF]
  assert trials['status'].tolist() == [
    'reached',
    'missed',
    'damaged',
    'missing',
  ]
  assert trials['ended'].tolist() == ['target_reached', '', '', '']
  assert [(n.kind, n.path) for n in notices] == [
    ('damaged log', str(broken)),
    ('missing log', str(empty)),
  ]
  assert curves['trial'].tolist() == [1, 1, 2]
  assert curves['time'].tolist() == [2.0, 4.0, 3.0]
  assert curves['validation'].tolist() == [9.0, 4.5, 9.0]
