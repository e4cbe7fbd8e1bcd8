"""What was measured: the trials of a comparison, and what to know of them."""

import dataclasses
import json

import numpy as np
import pandas as pd

from scoring import calibrations, checks, notices, question, reading, times


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
  """All that logs say of some workloads.

  Attributes:
    reading: the logs.
    trials: as `times.of_trials` gives them.
    notices: what was found wanting.
  """

  reading: reading.Reading
  trials: pd.DataFrame
  notices: list[notices.Notice]

  @property
  def hardware(self) -> pd.DataFrame:
    """Columns submission, hardware, trials."""
    groups = self.trials.groupby(['submission', 'hardware'], observed=True)
    return groups.size().rename('trials').reset_index()

  @property
  def curves(self) -> pd.DataFrame:
    """Every evaluation: KEYS, trial, time, step, train, validation, test."""
    lengths_T = np.diff(self.reading.logs.starts_T1)
    columns = {}
    for name in (*times.KEYS, 'trial'):
      codes, values = pd.factorize(self.trials[name])
      codes = np.repeat(codes, lengths_T)
      if name in ('submission', 'workload'):
        columns[name] = pd.Categorical.from_codes(codes, values)
      else:
        columns[name] = np.asarray(values)[codes]
    for name in ('time', 'step', 'train', 'validation', 'test'):
      columns[name] = getattr(self.reading.logs, f'{name}_N')
    return pd.DataFrame(columns)

  def point(self, trial: str) -> str:
    """The hyperparameters of the trial at a path as JSON; '' if unknown."""
    if not trial:
      return ''
    try:
      return json.dumps(json.loads(self.reading.file(trial, 'hparams.json')))
    except (OSError, ValueError):
      return ''


def gather(asked: question.Question, found: reading.Reading) -> Evidence:
  """What logs say to a question.

  Raises:
    UsageError: there are trials that cannot be compared.
  """
  logs = found.logs
  checks.one_comparison(logs.trials, asked.allow)
  trials = times.of_trials(logs, asked.goals, asked.ruleset.budget_factor)
  return Evidence(
    reading=found,
    trials=trials,
    notices=[
      *found.notices,
      *logs.notices,
      *checks.unscored(found.others, asked.benchmark),
      *checks.mixed(logs.trials, asked.benchmark),
      *checks.endings(trials),
      *calibrations.differing(trials),
    ],
  )
