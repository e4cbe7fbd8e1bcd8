"""From trial logs to times: of each trial, each study, each workload.

The rules are AlgoPerf's (arXiv 2306.07179, section 4): a study's time is that
of its fastest trial, a workload's time the median over studies, and a target
that was not reached took infinitely long and takes part in the median as such.

T: trials, N: evaluations of all trials one after the other, S: submissions,
W: workloads, K: studies.
"""

from collections.abc import Mapping, Sequence
import dataclasses

import numpy as np
import pandas as pd

from algoperf import spec
from scoring import logs

KEYS = ['submission', 'workload', 'study']
# What submissions are compared by: a column, and that of what is known of it
# from below.
MEASURES = {'time': ('time', 'last_miss'), 'steps': ('step', 'last_miss_step')}
_ENDS = [column for columns in MEASURES.values() for column in columns]
_FINISHED = (
  '',
  'target_reached',
  'out_of_time',
  'completed',
  'max_steps',
  'diverged',
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Hits:
  """Of every trial, the first evaluation that meets the target."""

  hit_T: np.ndarray  # Is there one?
  first_T: np.ndarray  # Its row; anything where there is none.
  last_T: np.ndarray  # Row of the last evaluation, -1 if there is none.
  starts_T: np.ndarray  # Row of the first evaluation.

  def at_hit(self, values_N: np.ndarray) -> np.ndarray:
    """Values at the hit, infinite where there is none."""
    return np.where(self.hit_T, _take(values_N, self.first_T), np.inf)

  def at_last_miss(self, values_N: np.ndarray) -> np.ndarray:
    """Values at the last evaluation that missed; 0 where none did."""
    row_T = np.where(self.hit_T, self.first_T - 1, self.last_T)
    return np.where(row_T >= self.starts_T, _take(values_N, row_T), 0.0)


def of_trials(
  read: logs.Logs,
  goals: Mapping[str, spec.Goal],
  budget_factor: float,
) -> pd.DataFrame:
  """When each trial reached its validation target.

  Args:
    read: trials of workloads in `goals`.
    goals: by workload, each with a validation target.
    budget_factor: of the ruleset, for every workload's max_runtime.

  Returns:
    The rows of `read.trials` with `status` 'reached', 'missed', or as it was,
    and the columns `time` and `step` of the first evaluation that meets the
    target, infinite if none does; `last_miss` and `last_miss_step`, those of
    the evaluation before it (0 if there is none), of the last one if the target
    was missed; `rounds`, the number of evaluations to the target; `best`, the
    best finite validation value, else NaN; `end_time`, of the last evaluation;
    `diverged`: its last validation value, or trial.json, says so; `failed`: it
    did not end by the rules; `over_budget`: it ran as long as it might.
  """
  met_N, gains_N = _met(read, goals)
  # What a submission reached by breaking a rule it has not reached.
  disqualified_T = (read.trials['ended'] == 'disqualified').to_numpy()
  met_N &= ~np.repeat(disqualified_T, np.diff(read.starts_T1))
  starts_T, ends_T = read.starts_T1[:-1], read.starts_T1[1:]
  there_T = ends_T > starts_T
  hits_M = np.flatnonzero(met_N)
  next_T = np.searchsorted(hits_M, starts_T)
  first_T = np.append(hits_M, len(met_N))[next_T]
  hits = _Hits(
    hit_T=first_T < ends_T,
    first_T=first_T,
    last_T=np.where(there_T, ends_T - 1, -1),
    starts_T=starts_T,
  )
  trials = read.trials.copy()
  status = np.where(hits.hit_T, 'reached', 'missed')
  trials['status'] = trials['status'].where(trials['status'] != '', status)
  for measure, values_N in (('time', read.time_N), ('steps', read.step_N)):
    high, low = MEASURES[measure]
    trials[high] = hits.at_hit(values_N)
    trials[low] = hits.at_last_miss(values_N)
  trials['rounds'] = np.where(hits.hit_T, first_T - starts_T + 1, np.inf)
  trials['best'] = _best(gains_N, starts_T[there_T], there_T) * _signs(
    trials['workload'], goals
  )
  trials['end_time'] = np.where(there_T, _take(read.time_N, hits.last_T), 0.0)
  wild_T = there_T & ~np.isfinite(_take(read.validation_N, hits.last_T))
  trials['diverged'] = (trials['ended'] == 'diverged') | (wild_T & ~hits.hit_T)
  trials['failed'] = ~trials['ended'].isin(_FINISHED)
  limits = {name: goal.max_runtime for name, goal in goals.items()}
  budget = trials['workload'].astype(object).map(limits) * budget_factor
  trials['over_budget'] = trials['end_time'] >= budget
  return trials


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grouping:
  """Which trials belong to which study.

  Attributes:
    trials: as `of_trials` gives them, of the workloads to be scored.
    index: submission, workload and study: every workload of every study that a
      submission has any trial of.
    row_T: of each trial, the position of its study in the index.
  """

  trials: pd.DataFrame
  index: pd.MultiIndex
  row_T: np.ndarray

  @classmethod
  def of(cls, trials: pd.DataFrame, workloads: Sequence[str]) -> 'Grouping':
    """Groups the trials of some workloads, and leaves out others."""
    index = _every_study(trials, workloads)
    trials = trials[trials['workload'].isin(workloads)]
    row_T = index.get_indexer(pd.MultiIndex.from_frame(trials[KEYS]))
    return cls(trials=trials, index=index, row_T=row_T)

  def least(self, *keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The trial with the least keys of each study that has trials.

    Args:
      *keys: by which trials are compared, the first one first; of equals the
        first trial.

    Returns:
      Positions of studies in the index, and of trials in `trials`.
    """
    order_T = np.lexsort((*keys[::-1], self.row_T))
    row, first = np.unique(self.row_T[order_T], return_index=True)
    return row, order_T[first]

  def studies(self, key: str) -> pd.DataFrame:
    """The trial that counts in each study.

    Args:
      key: the column whose least value decides: 'time', 'step' or 'rounds'.

    Returns:
      Columns submission, workload, study; time, last_miss, step,
      last_miss_step, trial and path of the trial that counts (no trial and no
      path if none reached the target); `trials`, how many there are, `reached`,
      how many reached it. A study without trials took infinitely long.
    """
    row, winner = self.least(self.trials[key].to_numpy())
    frame = self.index.to_frame(index=False)
    for name in _ENDS:
      values = np.full(len(frame), np.inf if name in ('time', 'step') else 0.0)
      values[row] = self.trials[name].to_numpy()[winner]
      frame[name] = values
    hit = self.trials['status'].to_numpy() == 'reached'
    row, winner = row[hit[winner]], winner[hit[winner]]
    for name, nothing in (('trial', pd.NA), ('path', '')):
      values = np.full(len(frame), nothing, dtype=object)
      values[row] = self.trials[name].to_numpy()[winner]
      frame[name] = values
    frame['trial'] = frame['trial'].astype('Int64')
    frame['trials'] = np.bincount(self.row_T, minlength=len(frame))
    frame['reached'] = np.bincount(self.row_T[hit], minlength=len(frame))
    return frame


def by_study(
  studies: pd.DataFrame,
  submissions: Sequence[str],
  workloads: Sequence[str],
  columns: Sequence[str],
) -> list[np.ndarray]:
  """Columns of the studies, each as values_SxWxK; NaN where there is none."""
  number = studies.groupby(KEYS[:2], observed=True).cumcount().to_numpy()
  row = pd.Index(submissions).get_indexer(studies['submission'])
  place = pd.Index(workloads).get_indexer(studies['workload'])
  shape = len(submissions), len(workloads), number.max(initial=0) + 1
  arrays = []
  for column in columns:
    arrays.append(np.full(shape, np.nan))
    arrays[-1][row, place, number] = studies[column]
  return arrays


def medians(values_SxWxK: np.ndarray) -> np.ndarray:
  """Medians over the studies that there are; infinite where there is none."""
  values_SxWxK = np.sort(values_SxWxK)  # NaN last.
  count_SxW = (~np.isnan(values_SxWxK)).sum(axis=-1)
  upper_SxWx1 = (count_SxW // 2)[..., np.newaxis]
  lower_SxWx1 = (np.maximum(count_SxW - 1, 0) // 2)[..., np.newaxis]
  middle_SxW = sum(
    np.take_along_axis(values_SxWxK, index, axis=-1)[..., 0] / 2
    for index in (lower_SxWx1, upper_SxWx1)
  )
  return np.where(count_SxW > 0, middle_SxW, np.inf)


def _every_study(
  trials: pd.DataFrame, workloads: Sequence[str]
) -> pd.MultiIndex:
  """Every workload of every study that a submission has any trial of."""
  pairs = trials[['submission', 'study']].drop_duplicates()
  studies: dict[str, list[int]] = {}
  for submission, study in sorted(pairs.itertuples(index=False)):
    studies.setdefault(submission, []).append(study)
  return pd.MultiIndex.from_tuples(
    [
      (submission, workload, study)
      for submission, some in studies.items()
      for workload in workloads
      for study in some
    ],
    names=KEYS,
  )


def _met(
  read: logs.Logs, goals: Mapping[str, spec.Goal]
) -> tuple[np.ndarray, np.ndarray]:
  """Which evaluations meet their target, and their values, higher is better.

  An evaluation that is not finite meets none, and has the value NaN.
  """
  lengths_T = np.diff(read.starts_T1)
  names = list(goals)
  codes_T = pd.Index(names).get_indexer(read.trials['workload'])
  codes_N = np.repeat(codes_T, lengths_T)
  met_N = np.zeros(len(codes_N), dtype=bool)
  gains_N = np.where(np.isfinite(read.validation_N), read.validation_N, np.nan)
  for code, name in enumerate(names):
    rows = np.flatnonzero(codes_N == code)
    goal = goals[name]
    met_N[rows] = goal.meets(gains_N[rows], goal.validation_target)
    if not goal.higher_is_better:
      gains_N[rows] *= -1
  return met_N, gains_N


def _best(
  gains_N: np.ndarray, starts: np.ndarray, there_T: np.ndarray
) -> np.ndarray:
  best_T = np.full(len(there_T), np.nan)
  if len(starts):
    best_T[there_T] = np.fmax.reduceat(gains_N, starts)
  return best_T


def _signs(workloads: pd.Series, goals: Mapping[str, spec.Goal]) -> np.ndarray:
  signs = {n: 1.0 if g.higher_is_better else -1.0 for n, g in goals.items()}
  return workloads.astype(object).map(signs).to_numpy()


def _take(values_N: np.ndarray, rows_T: np.ndarray) -> np.ndarray:
  """Values at rows, NaN at rows that are not there."""
  padded = np.append(values_N, np.nan)
  inside = (rows_T >= 0) & (rows_T < len(values_N))
  return padded[np.where(inside, rows_T, len(values_N))]
