"""From trial logs to times: of each trial, each study, each workload.

The rules are AlgoPerf's (arXiv 2306.07179, section 4): a study's time is that
of its fastest trial, a workload's time the median over studies, and a target
that was not reached took infinitely long and takes part in the median as such.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd

from algoperf import spec
from scoring import logs

KEYS = ['submission', 'workload', 'study']
TRIAL_COLUMNS = [
  *KEYS,
  'trial',
  'time',
  'last_miss',
  'status',
  'step',
  'best',
  'ended',
  'path',
]
CURVE_COLUMNS = [
  *KEYS,
  'trial',
  'time',
  'step',
  'train',
  'validation',
  'test',
]
_NO_TIME = {
  'time': math.inf,
  'last_miss': 0.0,
  'step': math.inf,
  'best': math.nan,
}


def to_target(
  evaluations: logs.Evaluations, goal: spec.Goal
) -> dict[str, float | str]:
  """When a trial reached its validation target.

  Args:
    evaluations: of one trial.
    goal: of its workload, with a validation target.

  Returns:
    `time` and `step` of the first evaluation that meets the target, infinite
    if none does; `last_miss`, the time of the evaluation before it (0 if there
    is none): the target was reached in (last_miss, time]; `status`, 'reached'
    or 'missed'; `best`, the best validation value, NaN if all are NaN.
  """
  values = evaluations.validation_N.tolist()
  hit = next(
    (
      i
      for i, value in enumerate(values)
      if goal.meets(value, goal.validation_target)
    ),
    None,
  )
  known = [value for value in values if not math.isnan(value)]
  best = max if goal.higher_is_better else min
  miss = len(values) - 1 if hit is None else hit - 1
  return {
    'time': math.inf if hit is None else float(evaluations.time_N[hit]),
    'step': math.inf if hit is None else float(evaluations.step_N[hit]),
    'last_miss': float(evaluations.time_N[miss]) if miss >= 0 else 0.0,
    'status': 'missed' if hit is None else 'reached',
    'best': best(known, default=math.nan),
  }


def of_trials(
  directories: Iterable[logs.TrialDir], goals: Mapping[str, spec.Goal]
) -> tuple[pd.DataFrame, pd.DataFrame, list[logs.Notice]]:
  """Reads the trials of some workloads.

  Args:
    directories: of any trials.
    goals: of the workloads to be read, by name; each has a validation target.

  Returns:
    One row a trial, in order, columns TRIAL_COLUMNS; the curves, one row an
    evaluation, columns CURVE_COLUMNS; and a notice for each damaged trial,
    which counts as one that did not reach the target.
  """
  rows, curves, notices = [], [], []
  for directory in directories:
    if directory.workload not in goals:
      continue
    goal = goals[directory.workload]
    row = dataclasses.asdict(directory) | {'path': str(directory.path)}
    try:
      row['ended'] = logs.read_details(directory.path).get('status', '')
      evaluations = logs.read_evaluations(directory.path, goal.metric)
    except logs.LogError as error:
      kind = f'{error.status} log'
      notices.append(logs.Notice.about(directory, kind, str(error)))
      rows.append(_NO_TIME | row | {'status': error.status})
      continue
    rows.append(row | to_target(evaluations, goal))
    curves.append((row, evaluations))
  trials = pd.DataFrame(rows, columns=TRIAL_COLUMNS).fillna({'ended': ''})
  trials = trials.sort_values([*KEYS, 'trial', 'path'], ignore_index=True)
  return trials, _curves(curves), notices


def _curves(
  trials: Sequence[tuple[Mapping[str, Any], logs.Evaluations]],
) -> pd.DataFrame:
  """All evaluations in one frame, built by column: trials are thousands."""
  lengths = [len(evaluations.time_N) for _, evaluations in trials]
  keys = {
    key: np.repeat(np.array([row[key] for row, _ in trials]), lengths)
    for key in (*KEYS, 'trial')
  }
  values = {
    name: np.concatenate([getattr(e, f'{name}_N') for _, e in trials] or [[]])
    for name in CURVE_COLUMNS
    if name not in keys
  }
  return pd.DataFrame(keys | values, columns=CURVE_COLUMNS)


def of_studies(trials: pd.DataFrame, workloads: Sequence[str]) -> pd.DataFrame:
  """The least time in each study.

  Args:
    trials: as `of_trials` gives them.
    workloads: those to be scored.

  Returns:
    Columns submission, workload, study, time, last_miss, trial (the fastest
    one; missing if none reached the target), trials (how many there are),
    reached (how many reached it). A study that a submission has for any
    workload has a row for every one: it took infinitely long where it is
    missing.
  """
  index = pd.MultiIndex.from_tuples(
    [
      (submission, workload, study)
      for submission, group in trials.groupby('submission')
      for workload in workloads
      for study in sorted(group['study'].unique())
    ],
    names=KEYS,
  )
  fastest_first = trials.sort_values('time', kind='stable')
  groups = fastest_first.assign(hit=np.isfinite(trials['time'])).groupby(KEYS)
  frame = groups[['time', 'last_miss', 'trial']].first()
  frame = frame.assign(trials=groups.size(), reached=groups['hit'].sum())
  frame = frame.reindex(index).fillna(
    {'time': math.inf, 'last_miss': 0.0, 'trials': 0, 'reached': 0}
  )
  frame['trial'] = frame['trial'].where(np.isfinite(frame['time']))
  integers = {'trial': 'Int64', 'trials': int, 'reached': int}
  return frame.astype(integers).reset_index()


def of_workloads(
  studies: pd.DataFrame, workloads: Sequence[str]
) -> pd.DataFrame:
  """Medians over studies: a row a submission, a column a workload."""
  medians = studies.groupby(['submission', 'workload'])['time'].median()
  return medians.unstack('workload').reindex(columns=list(workloads))
