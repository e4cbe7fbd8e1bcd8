"""Published boards: where they are, and the files that hold one.

A board is a table of figures, without logs (`<benchmark>-<ruleset>.csv`: a row
for each submission, workload and study), and a TOML file of the same name that
says what the times are to, where they come from and what they were taken on.
Those that come with the package are in `scoring/published/`.
"""

from collections.abc import Callable, Container, Mapping, Sequence
import csv
import dataclasses
from importlib import resources
import math
import operator
import os
import pathlib
import tomllib
from typing import Any, TextIO, TypeVar

from algoperf import spec
from scoring import boards
from scoring import studies as studies_lib

_T = TypeVar('_T')

_AMOUNTS = ('time', 'last_miss', 'step', 'last_miss_step')
COLUMNS = (
  *('submission', 'workload', 'study'),
  *_AMOUNTS,
  *('trial', 'trials', 'reached'),
)
_OPTIONAL = ('definition', 'run', 'hours')


def available() -> list[str]:
  """Names of the boards that come with the package."""
  return sorted(
    file.name.removesuffix('.toml')
    for file in resources.files('scoring').joinpath('published').iterdir()
    if file.name.endswith('.toml')
  )


def is_board(name_or_path: str | os.PathLike[str]) -> bool:
  """Whether it names a board, and not a directory or an archive of logs."""
  name = os.fspath(name_or_path)
  return name.endswith('.csv') or not pathlib.Path(name).exists()


def load(name_or_path: str | os.PathLike[str], ruleset: str) -> boards.Board:
  """Reads a board.

  Args:
    name_or_path: the name of a benchmark, or the path of a board's .csv file.
    ruleset: 'external' or 'self'.

  Raises:
    UsageError: no such board, one of another ruleset, or a damaged one.
  """
  name = os.fspath(name_or_path)
  if name.endswith('.csv'):
    return _read(pathlib.Path(name), ruleset)
  stem = f'{name.removesuffix(f"-{ruleset}")}-{ruleset}'
  if stem not in available():
    raise spec.UsageError(
      f'no published board {stem!r}: there is {", ".join(available())} (or '
      'give the path of a .csv file that scripts/published_table wrote, or of '
      'logs)'
    )
  folder = resources.files('scoring').joinpath('published')
  with resources.as_file(folder) as path:
    return _read(path / f'{stem}.csv', ruleset)


def write(
  board: boards.Board, path: str | os.PathLike[str]
) -> list[pathlib.Path]:
  """Writes a board's .csv and .toml file, the same bytes for the same board.

  Seconds have six decimals.

  Args:
    board: to be written.
    path: of the .csv file.

  Returns:
    The paths of both files.
  """
  table, about = _paths(path)
  lines = [
    {name: getattr(study, name) for name in COLUMNS}
    | {name: _number(getattr(study, name)) for name in _AMOUNTS}
    for study in sorted(board.studies, key=operator.attrgetter(*COLUMNS[:3]))
  ]
  with open(table, 'w', encoding='utf-8', newline='') as file:
    writer = csv.DictWriter(file, COLUMNS, lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
  lines = [
    f'{field.name} = {_quoted(getattr(board, field.name))}'
    for field in dataclasses.fields(boards.Board)
    if field.name not in ('targets', 'studies')
    and not (field.name in _OPTIONAL and not getattr(board, field.name))
  ]
  lines += ['', '[targets]']
  lines += [f'{name} = {_quoted(text)}' for name, text in board.targets.items()]
  about.write_text('\n'.join(lines) + '\n', encoding='utf-8')
  return [table, about]


def _paths(path: str | os.PathLike[str]) -> tuple[pathlib.Path, pathlib.Path]:
  table = pathlib.Path(path)
  return table, table.with_name(table.name.removesuffix('.csv') + '.toml')


def _number(value: float) -> str:
  return f'{value:.6f}'.rstrip('0').rstrip('.')


def _quoted(text: str) -> str:
  """A TOML string of one line."""
  escaped = text.replace('\\', r'\\').replace('"', r'\"')
  return f'"{" ".join(escaped.split())}"'


def _read(path: pathlib.Path, ruleset: str) -> boards.Board:
  table, about = _paths(path)
  rows = _parsed(table, lambda file: list(csv.DictReader(file, strict=True)))
  fields = _parsed(about, lambda file: tomllib.loads(file.read()))
  _check_fields(fields, about)
  studies = _studies(rows, fields['targets'], table)
  if fields['ruleset'] != ruleset:
    raise spec.UsageError(
      f'{path} is of the {fields["ruleset"]} ruleset: score by '
      f'--ruleset={fields["ruleset"]}, not {ruleset}'
    )
  return boards.Board(studies=studies, **fields)


def _parsed(path: pathlib.Path, parse: Callable[[TextIO], _T]) -> _T:
  try:
    with open(path, encoding='utf-8', newline='') as file:
      return parse(file)
  except (OSError, ValueError, csv.Error) as error:
    raise spec.UsageError(
      f'cannot read the published board {path}: {error}'
    ) from error


def _check_fields(fields: Mapping[str, Any], path: pathlib.Path) -> None:
  kinds = {field.name: str for field in dataclasses.fields(boards.Board)}
  kinds |= {'targets': dict}
  del kinds['studies']
  for name in _OPTIONAL:
    if name not in fields:
      del kinds[name]
  for name in sorted(kinds.keys() ^ fields.keys()):
    what = 'is missing' if name in kinds else 'is no key of a board'
    raise spec.UsageError(f'{path}: {name} {what}')
  for name, kind in kinds.items():
    if not isinstance(fields[name], kind):
      what = 'table' if kind is dict else 'text'
      raise spec.UsageError(f'{path}: {name} is no {what}')


def _studies(
  rows: Sequence[Mapping[str, str]],
  workloads: Container[str],
  path: pathlib.Path,
) -> list[studies_lib.Study]:
  """The rows of a table, if it is complete and its numbers are possible."""
  lacking = [name for name in COLUMNS if rows and name not in rows[0]]
  if lacking:
    raise spec.UsageError(f'{path} has no column {", ".join(lacking)}')
  found: dict[studies_lib.Key, studies_lib.Study] = {}
  for line, row in enumerate(rows, start=2):
    try:
      study = _study(row)
    except (TypeError, ValueError) as error:
      raise spec.UsageError(
        f'cannot read the published board {path}: line {line}: {error}'
      ) from error
    place = study.submission, study.workload, study.study
    if wrong := _wrong(study, workloads):
      raise spec.UsageError(f'{path}, line {line}: {wrong}')
    if place in found:
      raise spec.UsageError(f'{path}, line {line}: the same study twice')
    found[place] = study
  return list(found.values())


def _study(row: Mapping[str, str]) -> studies_lib.Study:
  return studies_lib.Study(
    submission=row['submission'],
    workload=row['workload'],
    study=int(row['study']),
    trial=int(row['trial']) if row['trial'] else None,
    trials=int(row['trials']),
    reached=int(row['reached']),
    **{name: float(row[name] or math.nan) for name in _AMOUNTS},
  )


def _wrong(study: studies_lib.Study, workloads: Container[str]) -> str:
  """What cannot be in a row; '' if it can."""
  if not all(getattr(study, name) >= 0 for name in _AMOUNTS):
    return 'a negative number or none'
  if study.time < study.last_miss:
    return 'a time before its last miss'
  if study.workload not in workloads:
    return 'a workload without a target'
  return ''
