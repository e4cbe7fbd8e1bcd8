"""Published boards: the study times of competitions, to be ranked among.

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
import re
import tomllib
from typing import Any, TextIO, TypeVar

from algoperf import benchmark as benchmark_lib
from algoperf import spec
from scoring import studies as studies_lib

_T = TypeVar('_T')

_AMOUNTS = ('time', 'last_miss', 'step', 'last_miss_step')
COLUMNS = (
  *('submission', 'workload', 'study'),
  *_AMOUNTS,
  *('trial', 'trials', 'reached'),
)
_OPTIONAL = ('definition', 'run', 'hours')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Board:
  """The results of a competition.

  Attributes:
    benchmark: name of the definition that the times were taken by.
    ruleset: 'external' or 'self'.
    study: which trial of a study counts, as in `benchmark.Scoring`.
    hardware: what all trials ran on.
    source: whose logs, and where they were published.
    sha256: of the archive of logs; '' if they were no archive.
    licence: of the logs.
    date: on which the table was made, as YYYY-MM-DD.
    command: what made it.
    targets: of each workload, such as 'accuracy >= 0.77'.
    studies: without hyperparameters and paths.
    definition: digest of the definition that the trials were run by. This and
      what follows is '' where it is not known.
    run: the command that ran the trials.
    hours: what they took, evaluations included, and on which days.
  """

  benchmark: str
  ruleset: str
  study: str
  hardware: str
  source: str
  sha256: str
  licence: str
  date: str
  command: str
  targets: Mapping[str, str]
  studies: Sequence[studies_lib.Study]
  definition: str = ''
  run: str = ''
  hours: str = ''

  def check(
    self, benchmark: benchmark_lib.Benchmark, workloads: Sequence[str]
  ) -> None:
    """Makes sure that a benchmark's times can be compared with the board's.

    Args:
      benchmark: by which other submissions are scored.
      workloads: those that are scored, held-out variants included.

    Raises:
      UsageError: the board lacks a workload, or has another target for it.
    """
    board = f'the published board {self.benchmark} ({self.ruleset})'
    theirs = targets(benchmark, workloads)
    for workload, target in theirs.items():
      if workload not in self.targets:
        raise spec.UsageError(
          f'{board} has no {workload}: score {", ".join(self.targets)} only'
        )
      if target != self.targets[workload]:
        raise spec.UsageError(
          f'{board} has times to {workload} {self.targets[workload]}, but the '
          f'target of benchmark {benchmark.name} is {target}: score by a '
          'definition with the same targets'
        )

  def ran_on(self, machine: str) -> bool:
    """Whether a text can mean the board's hardware: number, model, memory.

    What one of the two leaves out does not tell them apart; of CPUs the whole
    text has to be the same.
    """
    if machine == self.hardware:
      return True
    for pattern in (r'^(\d+) ×', r'\b([A-Z]+\d+[A-Z]?)\b', r'(\d+) ?GB\b'):
      ours, theirs = (re.search(pattern, t) for t in (self.hardware, machine))
      if ours and theirs and ours[1] != theirs[1]:
        return False
    return bool(machine) and not machine.startswith('cpu:')

  def among(
    self, studies: Sequence[studies_lib.Study]
  ) -> list[studies_lib.Study]:
    """The studies of other submissions, followed by those of the board.

    Those of the board that have the same name get ' (published)' behind it.
    """
    own = {study.submission for study in studies}
    workloads = {study.workload for study in studies}
    theirs = [study for study in self.studies if study.workload in workloads]
    return [*studies, *(_told_apart(study, own) for study in theirs)]


def _told_apart(
  study: studies_lib.Study, others: Container[str]
) -> studies_lib.Study:
  if study.submission not in others:
    return study
  name = f'{study.submission} (published)'
  return dataclasses.replace(study, submission=name)


def targets(
  benchmark: benchmark_lib.Benchmark, workloads: Sequence[str]
) -> dict[str, str]:
  """What the times of workloads are to, such as 'accuracy >= 0.77'."""
  goals = {name: benchmark.row(name).goal for name in workloads}
  return {
    name: f'{goal.metric} {goal.comparison} {goal.validation_target!r}'
    for name, goal in goals.items()
  }


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


def load(name_or_path: str | os.PathLike[str], ruleset: str) -> Board:
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


def write(board: Board, path: str | os.PathLike[str]) -> list[pathlib.Path]:
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
    for field in dataclasses.fields(Board)
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


def _read(path: pathlib.Path, ruleset: str) -> Board:
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
  return Board(studies=studies, **fields)


def _parsed(path: pathlib.Path, parse: Callable[[TextIO], _T]) -> _T:
  try:
    with open(path, encoding='utf-8', newline='') as file:
      return parse(file)
  except (OSError, ValueError, csv.Error) as error:
    raise spec.UsageError(
      f'cannot read the published board {path}: {error}'
    ) from error


def _check_fields(fields: Mapping[str, Any], path: pathlib.Path) -> None:
  kinds = {field.name: str for field in dataclasses.fields(Board)}
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
