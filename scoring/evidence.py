"""What was measured: the trials of a comparison, and what to know of them."""

import collections
from collections.abc import Sequence
import dataclasses
import functools
import json
from typing import TYPE_CHECKING

import numpy as np

from scoring import (
  calibrations,
  checks,
  notices,
  question,
  reading,
  rows,
  studies,
  times,
)

if TYPE_CHECKING:
  import pandas as pd

_PLACE = ('submission', 'workload', 'study', 'trial')
_EVALUATIONS = ('time', 'step', 'train', 'validation', 'test')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
  """What so many trials of a submission ran on; '' if they do not say."""

  submission: str
  hardware: str
  trials: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
  """All that logs say of some workloads.

  Attributes:
    reading: the logs.
    trials: in the order of the logs.
    notices: what was found wanting.
  """

  reading: reading.Reading
  trials: Sequence[times.Trial]
  notices: Sequence[notices.Notice]

  @property
  def machines(self) -> list[Machine]:
    """By submission and hardware."""
    numbers = collections.Counter(
      (trial.where.submission, trial.record.hardware) for trial in self.trials
    )
    return [
      Machine(submission=submission, hardware=hardware, trials=number)
      for (submission, hardware), number in sorted(numbers.items())
    ]

  @functools.cached_property
  def frame(self) -> 'pd.DataFrame':
    """A row a trial, as `Result.trials` describes it."""
    few = dict.fromkeys(('submission', 'workload'), 'category')
    return rows.frame(times.Trial, self.trials, times.COLUMNS).astype(few)

  @functools.cached_property
  def curves(self) -> 'pd.DataFrame':
    """Every evaluation: its trial, time, step, train, validation, test."""
    lengths_T = np.diff(self.reading.logs.starts_T1)
    found = self.frame[list(_PLACE)]
    found = found.loc[found.index.repeat(lengths_T)].reset_index(drop=True)
    values = {
      name: getattr(self.reading.logs, f'{name}_N') for name in _EVALUATIONS
    }
    return found.assign(**values)

  def with_point(self, study: studies.Study) -> studies.Study:
    """A study with the hyperparameters of its trial that counts."""
    if not study.path:
      return study
    try:
      point = json.loads(self.reading.file(study.path, 'hparams.json'))
    except (OSError, ValueError):
      return study
    return dataclasses.replace(study, hyperparameters=json.dumps(point))


def gather(asked: question.Question, found: reading.Reading) -> Evidence:
  """What logs say to a question.

  Raises:
    UsageError: there are trials that cannot be compared.
  """
  records = found.logs.records
  checks.one_comparison(records, asked.allow)
  trials = times.of_trials(found.logs, asked.goals, asked.ruleset.budget_factor)
  return Evidence(
    reading=found,
    trials=trials,
    notices=[
      *found.notices,
      *found.logs.notices,
      *checks.unscored(found.others, asked.benchmark),
      *checks.mixed(records, asked.benchmark),
      *checks.endings(trials),
      *checks.beaten(trials, asked),
      *calibrations.differing(records),
    ],
  )
