"""What each cell of the times table, a median over studies, rests on."""

import collections
from collections.abc import Callable, Iterable, Sequence
import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from scoring import comparison, question, studies, times


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
  """One submission on one workload.

  Attributes:
    submission: whose it is.
    workload: which one.
    value: the median over studies.
    low: the lower end of its 95 % interval.
    high: the upper one.
    ratio: to the fastest, by the rules; NaN for held-out variants.
    ratio_low: the lower end of its interval.
    ratio_high: the upper one.
    last_miss: that of the median, which lies in (last_miss, value].
    studies: how many there are; likewise all that follows.
    trials: of these studies.
    reached: trials that reached the target.
    missed: trials that did not.
    damaged: trials of whose log nothing counts.
    missing: trials without a log, and those that should be there.
    diverged: trials, of those that missed.
    failed: trials that did not end by the rules.
    over_budget: trials that ran as long as they might.
    counts: whether the median does, by the rules.
  """

  submission: str
  workload: str
  value: float
  low: float
  high: float
  ratio: float
  ratio_low: float
  ratio_high: float
  last_miss: float
  studies: int
  trials: int
  reached: int
  missed: int
  damaged: int
  missing: int
  diverged: int
  failed: int
  over_budget: int
  counts: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
  """A median that AlgoPerf's own scorer may form otherwise than the rules say.

  Attributes:
    submission: whose it is.
    workload: which one.
    as_written: by the rules.
    as_published: of equal trials, the one with the lowest number counts.
    low: the lowest in any order of reading trials.
    high: the highest.
  """

  submission: str
  workload: str
  as_written: float
  as_published: float
  low: float
  high: float


def of_studies(
  found: Sequence[studies.Study],
  trials: Iterable[times.Trial],
  compared: comparison.Comparison,
  asked: question.Question,
) -> list[Cell]:
  """One for each submission and workload, in the order of the scores.

  Args:
    found: the studies, which may be of a published board.
    trials: none for those of a board.
    compared: what came of comparing these studies.
    asked: the question.
  """
  columns = _columns(found, compared, asked)
  own_studies, own_trials = (
    collections.defaultdict(list),
    collections.defaultdict(list),
  )
  for study in found:
    own_studies[study.submission, study.workload].append(study)
  for trial in trials:
    own_trials[trial.where.submission, trial.where.workload].append(trial)
  cells = []
  for row, submission in enumerate(compared.submissions):
    for place, workload in enumerate(asked.columns.names):
      key = submission, workload
      amounts = {
        name: column[row, place].item() for name, column in columns.items()
      }
      decides = 'ratio' if workload in asked.columns.workloads else 'value'
      cells.append(
        Cell(
          submission=submission,
          workload=workload,
          counts=math.isfinite(amounts[decides]),
          **amounts,
          **_numbers(own_studies[key], own_trials[key], asked.ruleset.trials),
        )
      )
  return cells


def _columns(
  found: Sequence[studies.Study],
  compared: comparison.Comparison,
  asked: question.Question,
) -> dict[str, np.ndarray]:
  """The amounts of all cells, SxW each; of a variant no ratio is known."""
  submissions = compared.submissions
  high, low = studies.MEASURES[asked.by]
  misses = (
    (
      study.submission,
      study.workload,
      getattr(study, low) if math.isfinite(getattr(study, high)) else math.inf,
    )
    for study in found
  )
  unknown_SxV = np.full((len(submissions), len(asked.columns.variants)), np.nan)
  return {
    'value': compared.medians_SxW,
    'low': compared.medians_in.low,
    'high': compared.medians_in.high,
    'last_miss': studies.medians(
      studies.by_study(misses, submissions, asked.columns.names)
    ),
    'ratio': np.hstack([compared.ratios_SxB, unknown_SxV]),
    'ratio_low': np.hstack([compared.ratios_in.low, unknown_SxV]),
    'ratio_high': np.hstack([compared.ratios_in.high, unknown_SxV]),
  }


def _numbers(
  found: Sequence[studies.Study], trials: Sequence[times.Trial], due: int
) -> dict[str, int]:
  """How many studies and trials a cell rests on, of `due` trials a study."""
  statuses = collections.Counter(trial.status for trial in trials)
  there = sum(study.trials for study in found)
  return {
    'studies': sum(study.trials > 0 for study in found),
    'trials': there,
    'reached': sum(study.reached for study in found),
    'missed': statuses['missed'],
    'damaged': statuses['damaged'],
    'missing': statuses['missing'] + max(due * len(found) - there, 0),
    'diverged': sum(trial.diverged for trial in trials),
    'failed': sum(trial.failed for trial in trials),
    'over_budget': sum(trial.over_budget for trial in trials),
  }


# By what the trial that counts in a study is least, and its time if there is
# none.
_ORDERS: dict[str, tuple[Callable[[times.Trial], Any], float]] = {
  'as_written': (lambda trial: trial.time, math.inf),
  'as_published': (lambda trial: trial.rounds, math.nan),
  'low': (lambda trial: (trial.rounds, trial.time), math.nan),
  'high': (lambda trial: (trial.rounds, -trial.time), math.nan),
}


def differences(
  grouping: studies.Grouping, workloads: Sequence[str]
) -> list[Difference]:
  """Where AlgoPerf's own scorer may form another median than the rules say.

  It takes of a study the trial with the fewest evaluations, not the least time;
  of several the one that it reads first, which the file system decides; and
  studies without trials are unknown to it.

  Args:
    grouping: of the trials.
    workloads: base and held-out.
  """
  submissions = grouping.submissions
  medians = {}
  for name, (key, nothing) in _ORDERS.items():
    values = (
      (*place[:2], min(trials, key=key).time if trials else nothing)
      for place, trials in grouping.trials.items()
    )
    medians[name] = studies.medians(
      studies.by_study(values, submissions, workloads)
    ).ravel()
  written = medians['as_written']
  differ = (medians['low'] != written) | (medians['high'] != written)
  places = list(itertools.product(submissions, workloads))
  return [
    Difference(
      submission=places[i][0],
      workload=places[i][1],
      **{name: values[i].item() for name, values in medians.items()},
    )
    for i in np.flatnonzero(differ)
  ]
