"""Writes logs in AlgoPerf's layout for tests."""

from collections.abc import Mapping, Sequence
import csv
import pathlib

import pandas as pd

from scoring import logs, rows


def write_trial(
  root: pathlib.Path,
  *,
  submission: str = 'sgd',
  workload: str = 'lm',
  study: int = 1,
  trial: int = 1,
  metric: str = 'ppl',
  evaluations: Sequence[tuple[float, float]] = (),
  extra: Mapping[str, float] | None = None,
  suffix: str = '_jax',
) -> pathlib.Path:
  """One trial whose evaluations are (submission time, validation metric)."""
  directory = (
    root
    / submission
    / f'study_{study}'
    / f'{workload}{suffix}'
    / f'trial_{trial}'
  )
  directory.mkdir(parents=True)
  rows = [
    {
      'accumulated_submission_time': time,
      'global_step': 1 + 10 * i,
      'score': time,
      f'validation/{metric}': value,
      **(extra or {}),
    }
    for i, (time, value) in enumerate(evaluations)
  ]
  with open(directory / 'eval_measurements.csv', 'w', newline='') as file:
    writer = csv.DictWriter(file, list(rows[0]) if rows else ['global_step'])
    writer.writeheader()
    writer.writerows(rows)
  return directory


def table(found: logs.Logs) -> pd.DataFrame:
  """A row a trial; the column `log` is called `status`."""
  names = ('submission', 'workload', 'study', 'trial', 'path')
  columns = [f'where.{name}' for name in names]
  columns += [name for name in rows.names(logs.Record) if name != 'where']
  frame = rows.frame(logs.Record, found.records, columns)
  return frame.rename(columns={'log': 'status'})
