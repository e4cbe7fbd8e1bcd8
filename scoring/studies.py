"""From trials to studies, and to medians over them.

The rules are AlgoPerf's (arXiv 2306.07179, section 4): a study's time is that
of its fastest trial, a workload's time the median over studies, and a target
that was not reached took infinitely long and takes part in the median as such.

S: submissions, W: workloads, K: studies.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import math
import operator

import numpy as np

from scoring import rows, times

# What submissions are compared by: a column, and that of what is known of it
# from below.
MEASURES = {'time': ('time', 'last_miss'), 'steps': ('step', 'last_miss_step')}
Key = tuple[str, str, int]  # Submission, workload, study.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
  """What one study took: what its trial that counts did.

  Attributes:
    submission: whose it is.
    workload: which one.
    study: its number.
    time: infinite if the target was not reached, or there are no trials.
    last_miss: as `Trial` has it.
    step: likewise.
    last_miss_step: likewise.
    trial: the number of the one that counts; None if none reached the target.
    trials: how many there are.
    reached: how many of them reached the target.
    hyperparameters: of the trial that counts, as JSON; '' if unknown.
    path: of that trial; '' if unknown.
    verification: of that trial, as `verifications.state` has it.
  """

  submission: str
  workload: str
  study: int
  time: float = math.inf
  last_miss: float = 0.0
  step: float = math.inf
  last_miss_step: float = 0.0
  trial: int | None = None
  trials: int = 0
  reached: int = 0
  hyperparameters: str = ''
  path: str = ''
  verification: str = ''


# Of tables.
COLUMNS = tuple(
  name for name in rows.names(Study) if name not in ('path', 'verification')
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grouping:
  """Which trials belong to which study.

  Attributes:
    trials: by study, of every workload that is scored, of every study that a
      submission has any trial of; in order, empty where there are none.
  """

  trials: Mapping[Key, Sequence[times.Trial]]

  @classmethod
  def of(
    cls, trials: Iterable[times.Trial], workloads: Sequence[str]
  ) -> 'Grouping':
    """Groups the trials of some workloads, and leaves out others."""
    trials = list(trials)
    pairs = sorted({(t.where.submission, t.where.study) for t in trials})
    studies: dict[str, list[int]] = {}
    for submission, study in pairs:
      studies.setdefault(submission, []).append(study)
    grouped: dict[Key, list[times.Trial]] = {
      (submission, workload, study): []
      for submission, some in studies.items()
      for workload in workloads
      for study in some
    }
    for trial in trials:
      grouped.get(trial.where.key[:3], []).append(trial)
    return cls(trials=grouped)

  @property
  def submissions(self) -> list[str]:
    return list(dict.fromkeys(submission for submission, *_ in self.trials))

  def studies(self, key: str) -> list[Study]:
    """The trial that counts in each study.

    Args:
      key: what decides, by its least value: 'time', 'step' or 'rounds'; of
        equals the first trial.
    """
    return [
      _study(place, trials, operator.attrgetter(key))
      for place, trials in self.trials.items()
    ]


def _study(
  place: Key, trials: Sequence[times.Trial], key: Callable[[times.Trial], float]
) -> Study:
  submission, workload, study = place
  if not trials:
    return Study(submission=submission, workload=workload, study=study)
  best = min(trials, key=key)
  hit = best.status == 'reached'
  return Study(
    submission=submission,
    workload=workload,
    study=study,
    time=best.time,
    last_miss=best.last_miss,
    step=best.step,
    last_miss_step=best.last_miss_step,
    trial=best.where.trial if hit else None,
    trials=len(trials),
    reached=sum(trial.status == 'reached' for trial in trials),
    path=best.where.path if hit else '',
    verification=best.record.verification if hit else '',
  )


def by_study(
  values: Iterable[tuple[str, str, float]],
  submissions: Sequence[str],
  workloads: Sequence[str],
) -> np.ndarray:
  """Values of studies as values_SxWxK; NaN where there is none.

  Args:
    values: submission, workload and value of each study.
    submissions: whose rows are first.
    workloads: in the order of the second dimension.
  """
  cells: dict[tuple[str, str], list[float]] = {}
  for submission, workload, value in values:
    cells.setdefault((submission, workload), []).append(value)
  most = max(map(len, cells.values()), default=1)
  values_SxWxK = np.full((len(submissions), len(workloads), most), np.nan)
  for row, submission in enumerate(submissions):
    for place, workload in enumerate(workloads):
      some = cells.get((submission, workload), [])
      values_SxWxK[row, place, : len(some)] = some
  return values_SxWxK


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
