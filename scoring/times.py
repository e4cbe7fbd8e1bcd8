"""From trial logs to times: when each trial reached its target.

T: trials, N: evaluations of all trials one after the other, M: hits.
"""

from collections.abc import Mapping
import dataclasses

import numpy as np

from algoperf import records, spec
from scoring import logs, rows, trial_files

_FINISHED = ('', *records.ENDED)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
  """When one trial reached its target, and how it ended.

  Attributes:
    record: what its files say.
    status: 'reached', 'missed', 'damaged' or 'missing'.
    time: of the first evaluation that meets the target, infinite if none does.
    last_miss: of the evaluation before it (0 if there is none), of the last
      one if the target was missed.
    step: as the time.
    last_miss_step: likewise.
    rounds: the number of evaluations to the target.
    best: the best finite validation value, else NaN.
    end_time: of the last evaluation.
    diverged: its last validation value, or trial.json, says so.
    failed: it did not end by the rules.
    over_budget: it ran as long as it might.
  """

  record: logs.Record
  status: str
  time: float
  last_miss: float
  step: float
  last_miss_step: float
  rounds: float
  best: float
  end_time: float
  diverged: bool
  failed: bool
  over_budget: bool

  @property
  def where(self) -> trial_files.Trial:
    """Where it lies, and whose it is."""
    return self.record.where


# Of tables: whose it is, what its files say, and what came of it.
COLUMNS = (
  *(
    f'record.where.{name}'
    for name in ('submission', 'workload', 'study', 'trial', 'path')
  ),
  'status',
  *(
    f'record.{name}'
    for name in rows.names(logs.Record)
    if name not in ('where', 'log')
  ),
  *(name for name in rows.names(Trial) if name not in ('record', 'status')),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Hits:
  """Of every trial, the first evaluation that meets the target."""

  hit_T: np.ndarray  # Is there one?
  first_T: np.ndarray  # Its row; anything where there is none.
  last_T: np.ndarray  # Row of the last evaluation, -1 if there is none.
  starts_T: np.ndarray  # Row of the first evaluation.

  @classmethod
  def of(cls, met_N: np.ndarray, starts_T1: np.ndarray) -> '_Hits':
    """Of evaluations of which it is known whether they meet the target."""
    starts_T, ends_T = starts_T1[:-1], starts_T1[1:]
    hits_M = np.flatnonzero(met_N)
    first_T = np.append(hits_M, len(met_N))[np.searchsorted(hits_M, starts_T)]
    return cls(
      hit_T=first_T < ends_T,
      first_T=first_T,
      last_T=np.where(ends_T > starts_T, ends_T - 1, -1),
      starts_T=starts_T,
    )

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
) -> list[Trial]:
  """When each trial reached its validation target.

  Args:
    read: the logs of trials, of workloads in `goals`.
    goals: workload → metric, direction and validation target.
    budget_factor: what the ruleset multiplies `max_runtime` by.
  """
  records = read.records
  goal_T = [goals[record.where.workload] for record in records]
  ended_T = np.array([record.ended for record in records], object)
  log_T = np.array([record.log for record in records], object)
  met_N, gains_N = _met(read, goals)
  # What a submission reached by breaking a rule it has not reached.
  met_N &= np.repeat(ended_T != 'disqualified', np.diff(read.starts_T1))
  hits = _Hits.of(met_N, read.starts_T1)
  status_T = np.where(hits.hit_T, 'reached', 'missed')
  end_time_T = np.nan_to_num(_take(read.time_N, hits.last_T))
  wild_T = ~np.isfinite(_take(read.validation_N, hits.last_T))
  wild_T &= (hits.last_T >= 0) & ~hits.hit_T
  sign_T = np.array([1.0 if g.higher_is_better else -1.0 for g in goal_T])
  budget_T = np.array([g.max_runtime * budget_factor for g in goal_T])
  columns = {
    'status': np.where(log_T != '', log_T, status_T),
    'time': hits.at_hit(read.time_N),
    'last_miss': hits.at_last_miss(read.time_N),
    'step': hits.at_hit(read.step_N),
    'last_miss_step': hits.at_last_miss(read.step_N),
    'rounds': np.where(hits.hit_T, hits.first_T - hits.starts_T + 1, np.inf),
    'best': sign_T * _best(gains_N, read.starts_T1),
    'end_time': end_time_T,
    'diverged': (ended_T == 'diverged') | wild_T,
    'failed': ~np.isin(ended_T, _FINISHED),
    'over_budget': end_time_T >= budget_T,
  }
  lists = (column.tolist() for column in columns.values())
  return [
    Trial(record=record, **dict(zip(columns, values, strict=True)))
    for record, *values in zip(records, *lists, strict=True)
  ]


def _met(
  read: logs.Logs, goals: Mapping[str, spec.Goal]
) -> tuple[np.ndarray, np.ndarray]:
  """Which evaluations meet their target, and their values, higher is better.

  An evaluation that is not finite meets none, and has the value NaN.
  """
  lengths_T = np.diff(read.starts_T1)
  codes = {name: code for code, name in enumerate(goals)}
  codes_T = [codes[record.where.workload] for record in read.records]
  codes_N = np.repeat(np.array(codes_T, int), lengths_T)
  met_N = np.zeros(len(codes_N), dtype=bool)
  gains_N = np.where(np.isfinite(read.validation_N), read.validation_N, np.nan)
  for name, goal in goals.items():
    own = np.flatnonzero(codes_N == codes[name])
    met_N[own] = goal.meets(gains_N[own], goal.validation_target)
    if not goal.higher_is_better:
      gains_N[own] *= -1
  return met_N, gains_N


def _best(gains_N: np.ndarray, starts_T1: np.ndarray) -> np.ndarray:
  """The highest of each trial; NaN where there is none."""
  there_T = np.diff(starts_T1) > 0
  best_T = np.full(len(there_T), np.nan)
  if there_T.any():
    best_T[there_T] = np.fmax.reduceat(gains_N, starts_T1[:-1][there_T])
  return best_T


def _take(values_N: np.ndarray, rows_T: np.ndarray) -> np.ndarray:
  """Values at rows, NaN at rows that are not there."""
  padded = np.append(values_N, np.nan)
  inside = (rows_T >= 0) & (rows_T < len(values_N))
  return padded[np.where(inside, rows_T, len(values_N))]
