"""Rows as tables: CSV files for everybody, data frames for notebooks.

A row is a frozen dataclass whose fields are the columns, with their types. A
column may be a field of a field: `record.ended` is the column `ended`.
"""

from collections.abc import Iterable, Sequence
import csv
import dataclasses
import operator
import os
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
  import pandas as pd

# Of columns; others are as pandas finds them.
_DTYPES = {
  bool: 'bool',
  float: 'float64',
  int: 'int64',
  int | None: 'Int64',
  str: 'str',
}


def names(kind: type) -> tuple[str, ...]:
  """The columns of rows of a kind."""
  return tuple(field.name for field in dataclasses.fields(kind))


def write(
  path: str | os.PathLike[str], rows: Iterable[Any], columns: Sequence[str]
) -> None:
  """Writes a CSV file; infinite numbers are `inf`, unknown ones empty."""
  with open(path, 'w', encoding='utf-8', newline='') as file:
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(map(_name, columns))
    writer.writerows(
      ['' if cell != cell else cell for cell in row]
      for row in map(operator.attrgetter(*columns), rows)
    )


def frame(
  kind: type, rows: Iterable[Any], columns: Sequence[str] | None = None
) -> 'pd.DataFrame':
  """A data frame of rows of a kind: all their columns, or some."""
  import pandas as pd  # Nothing but frames needs it, and it starts slowly.

  columns = columns or names(kind)
  found = pd.DataFrame(
    list(map(operator.attrgetter(*columns), rows)),
    columns=[_name(column) for column in columns],
  )
  dtypes = {_name(column): _dtype(kind, column) for column in columns}
  return found.astype({name: dtype for name, dtype in dtypes.items() if dtype})


def _name(column: str) -> str:
  return column.rpartition('.')[2]


def _dtype(kind: type, column: str) -> str | None:
  for part in column.split('.'):
    kind = get_type_hints(kind)[part]
  return _DTYPES.get(kind)
