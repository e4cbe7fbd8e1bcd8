"""CSV files that grow, and can be taken back to where they were."""

from collections.abc import Iterable, Mapping
import csv
import itertools
import os
import pathlib
from typing import Any

from algoperf import files


class CsvLog:
  """A CSV file that grows by rows and, when it must, by columns.

  The first row's keys are its columns, in alphabetical order; new keys are
  appended. A row is one write, so that a killed process leaves whole rows.
  """

  def __init__(self, path: pathlib.Path):
    self._path = path
    self._columns: list[str] = []
    self._rows = 0

  def state(self) -> dict[str, Any]:
    """How far the file goes, for `rewind`."""
    return {'columns': list(self._columns), 'rows': self._rows}

  def rewind(self, state: Mapping[str, Any]) -> None:
    """Cuts a file off where it was in that state.

    Raises:
      ValueError: there are fewer rows.
    """
    rows = []
    if self._path.exists():
      with open(self._path, newline='', encoding='utf-8') as file:
        rows = list(itertools.islice(csv.DictReader(file), state['rows']))
    if len(rows) < state['rows']:
      raise ValueError(f'{self._path} lacks rows: only {len(rows)} are left.')
    self._columns = list(state['columns'])
    self._rows = len(rows)
    if self._columns:
      self._replace(rows)

  def sync(self) -> None:
    """Waits until what was written is on the disk."""
    if self._path.exists():
      with open(self._path, 'rb') as file:
        os.fsync(file.fileno())

  def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
    """Adds rows; a key that a row lacks is left empty."""
    rows = list(rows)
    new = sorted({key for row in rows for key in row} - set(self._columns))
    if new and self._columns:
      self._add_columns(new)
    elif new:
      self._columns = new
      self._write('w', [dict(zip(new, new, strict=True))])
    self._write('a', rows)
    self._rows += len(rows)

  def _write(self, mode: str, rows: Iterable[Mapping[str, Any]]) -> None:
    with open(self._path, mode, newline='', encoding='utf-8') as file:
      csv.DictWriter(file, self._columns).writerows(rows)

  def _add_columns(self, new: list[str]) -> None:
    with open(self._path, newline='', encoding='utf-8') as file:
      rows = list(csv.DictReader(file))
    self._columns += new
    self._replace(rows)

  def _replace(self, rows: Iterable[Mapping[str, Any]]) -> None:
    with files.replacement(self._path) as file:
      writer = csv.DictWriter(file, self._columns, extrasaction='ignore')
      writer.writeheader()
      writer.writerows(rows)
