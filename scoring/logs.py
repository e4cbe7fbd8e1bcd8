"""Trial logs on disk: finding them, and reading one.

The layout is AlgoPerf's, so that its published logs are read as well:
`<submission>/study_<s>/<workload>_<framework>/trial_<k>/eval_measurements.csv`.
"""

from collections.abc import Iterable, Iterator
import csv
import dataclasses
import json
import math
import os
import pathlib
import re
from typing import Any, Self

import numpy as np
import pandas as pd

from algoperf import records, spec

LAYOUT = '<submission>/study_<s>/<workload>_<framework>/trial_<k>'
_LOG, _DETAILS = records.EVALUATIONS_FILE, records.TRIAL_FILE
_TIME, _STEP = 'accumulated_submission_time', 'global_step'
_TIMESTAMP = re.compile(r'[_-]\d{4}-\d\d-\d\d[-_T]\d\d[-_]\d\d[-_]\d\d$')


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialDir:
  """Where the logs of one trial lie, and whose they are."""

  path: pathlib.Path
  submission: str
  workload: str
  study: int
  trial: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
  """Something that a reader of the scores should know: a row of warnings."""

  kind: str
  message: str
  submission: str = ''
  workload: str = ''
  study: int | None = None
  trial: int | None = None
  path: str = ''

  @classmethod
  def about(cls, trial: TrialDir, kind: str, message: str) -> Self:
    """A notice about one trial."""
    fields = dataclasses.asdict(trial) | {'path': str(trial.path)}
    return cls(kind=kind, message=message, **fields)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluations:
  """The evaluations of one trial in order; arrays of one length N >= 1.

  Attributes:
    time_N: submission time in seconds, finite, never decreasing.
    step_N: updates done.
    train_N: the metric on a fixed slice of training data; NaN if not there.
    validation_N: the metric on validation data, which may be NaN or infinite.
    test_N: the metric on test data; NaN if not there.
  """

  time_N: np.ndarray
  step_N: np.ndarray
  train_N: np.ndarray
  validation_N: np.ndarray
  test_N: np.ndarray


def notice_frame(notices: Iterable[Notice]) -> pd.DataFrame:
  """One row a notice; columns as the fields."""
  columns = [field.name for field in dataclasses.fields(Notice)]
  rows = [dataclasses.asdict(notice) for notice in notices]
  frame = pd.DataFrame(rows, columns=columns)
  return frame.astype({'study': 'Int64', 'trial': 'Int64'})


class LogError(Exception):
  """A log that is not there or cannot be trusted: one line that says why."""

  def __init__(self, message: str, status: str = 'damaged'):
    super().__init__(message)
    self.status = status


def find(
  paths: Iterable[str | os.PathLike[str]],
) -> tuple[list[TrialDir], list[Notice]]:
  """All trials below some directories, and what looked like one but is not.

  Args:
    paths: any levels of the layout: a trial's directory, a submission's, or
      one that holds many submissions.

  Raises:
    UsageError: a path does not exist, or there is no trial below any.
  """
  paths = [os.path.abspath(path) for path in paths]
  for path in paths:
    if not os.path.isdir(path):
      raise spec.UsageError(f'no such directory of logs: {path}')
  found: dict[str, TrialDir] = {}
  notices = []
  for directory in sorted({d for path in paths for d in _trial_dirs(path)}):
    trial = _placed(pathlib.Path(directory))
    if trial is None:
      notices.append(
        Notice(
          kind='misplaced trial',
          path=directory,
          message=f'left out: the path does not end in {LAYOUT}',
        )
      )
    else:
      found[directory] = trial
  if not found:
    raise spec.UsageError(
      f'no trials below {", ".join(paths) or "(no path given)"}; '
      f'expected {LAYOUT}/{_LOG}'
    )
  return list(found.values()), notices


def _trial_dirs(root: str) -> Iterator[str]:
  """Directories called trial_<k>, without looking inside them."""
  for directory, children, _ in os.walk(root):
    if re.fullmatch(r'trial_\d+', os.path.basename(directory)):
      children.clear()
      yield directory


def _placed(path: pathlib.Path) -> TrialDir | None:
  if len(path.parts) < 5:
    return None
  submission, study, workload, trial = (
    _TIMESTAMP.sub('', part) for part in path.parts[-4:]
  )
  study_match = re.fullmatch(r'study_(\d+)', study)
  workload_match = re.fullmatch(r'(.+)_(?:jax|pytorch)', workload)
  if not study_match or not workload_match:
    return None
  return TrialDir(
    path=path,
    submission=submission,
    workload=workload_match[1],
    study=int(study_match[1]),
    trial=int(trial.removeprefix('trial_')),
  )


def read_details(directory: pathlib.Path) -> dict[str, Any]:
  """What trial.json says; nothing for logs of the reference, which has none.

  Raises:
    LogError: the file is there but holds no JSON object.
  """
  try:
    text = (directory / _DETAILS).read_text(encoding='utf-8')
    details = json.loads(text)
  except FileNotFoundError:
    return {}
  except (OSError, ValueError) as error:
    raise LogError(f'{_DETAILS} cannot be read: {error}') from error
  if not isinstance(details, dict):
    raise LogError(f'{_DETAILS} holds no JSON object')
  return details


def read_evaluations(directory: pathlib.Path, metric: str) -> Evaluations:
  """The evaluations of a trial.

  Args:
    directory: the trial's.
    metric: the workload's, such as 'accuracy'.

  Raises:
    LogError: no file, no rows, a column that is missing, a row that is
      cut off or holds no number, times that are negative or run backwards.
  """
  try:
    with open(directory / _LOG, encoding='utf-8', newline='') as file:
      rows = csv.reader(file, strict=True)
      header = next(rows, [])
      columns = _columns(header, metric)
      numbers = [
        _numbers(row, len(header), columns, rows.line_num)
        for row in rows
        if row
      ]
  except FileNotFoundError:
    raise LogError(f'there is no {_LOG}', 'missing') from None
  except (OSError, UnicodeDecodeError, csv.Error) as error:
    raise LogError(f'{_LOG} cannot be read: {error}') from error
  if not numbers:
    raise LogError(f'{_LOG} holds no evaluation')
  time_N, step_N, train_N, validation_N, test_N = np.array(numbers).T
  if not np.isfinite(time_N).all() or time_N[0] < 0:
    raise LogError(f'{_TIME} is not a positive finite number everywhere')
  if (np.diff(time_N) < 0).any():
    raise LogError(f'{_TIME} runs backwards')
  return Evaluations(
    time_N=time_N,
    step_N=step_N,
    train_N=train_N,
    validation_N=validation_N,
    test_N=test_N,
  )


def _columns(header: list[str], metric: str) -> list[int | None]:
  """Where time, step and the metric of the three splits stand in a row."""
  if not header:
    raise LogError(f'{_LOG} is empty')
  required = (_TIME, _STEP, f'validation/{metric}')
  for name in required:
    if name not in header:
      raise LogError(f'{_LOG} has no column {name}')
  names = (_TIME, _STEP, f'train/{metric}', f'validation/{metric}')
  return [
    header.index(name) if name in header else None
    for name in (*names, f'test/{metric}')
  ]


def _numbers(
  row: list[str], width: int, columns: list[int | None], line: int
) -> list[float]:
  """The wanted cells of a row; an empty cell is NaN."""
  if len(row) != width:
    raise LogError(
      f'{_LOG} line {line} has {len(row)} cells instead of {width}'
    )
  cells = ['' if column is None else row[column] for column in columns]
  try:
    return [float(cell) if cell else math.nan for cell in cells]
  except ValueError as error:
    raise LogError(f'{_LOG} line {line}: {error}') from None
