"""Results as tables on the screen and as CSV files."""

import collections
from collections.abc import Iterator
import math
import os
import pathlib

import numpy as np
from rich import box
from rich import console as console_lib
from rich import table as table_lib
from rich import text as text_lib

from scoring import cells as cells_lib
from scoring import notices, profiles, rows, sentences, statistics
from scoring import result as result_lib

_NAME_WIDTH = 24
_CELL_WIDTH = 12
_TIMES_NOTE = (
  'Median over studies of the trial that counts. Bold: the best. (…): too slow '
  'to count, or held back by the held-out rule. ∞: not reached.'
)
_TRIAL_COLUMNS = (
  *('where.submission', 'where.workload', 'where.study', 'where.trial'),
  *('time', 'last_miss', 'status', 'step', 'last_miss_step'),
)


def show(
  result: result_lib.Result, console: console_lib.Console | None = None
) -> None:
  """Prints scores, times to target, and what to know about them."""
  console = console or console_lib.Console(emoji=False)
  for message in sentences.loud(result):
    console.print(text_lib.Text(message, style='bold red'))
  console.print(scores_table(result))
  for say in (sentences.rules, sentences.certainty, sentences.company):
    for line in say(result):
      console.print(text_lib.Text(line, style='dim'))
  console.print()
  for table in times_tables(result, console.width):
    console.print(table)
  console.print(text_lib.Text(_TIMES_NOTE, style='dim'))
  for line in sentences.differences(result):
    console.print(text_lib.Text(line))
  for line in sentences.warnings(result):
    console.print(text_lib.Text(line, style='yellow'))


def scores_table(result: result_lib.Result) -> table_lib.Table:
  """Submissions, best first, with intervals and what they solved."""
  table = _table(sentences.title(result))
  table.add_column('rank', no_wrap=True)
  table.add_column('submission', no_wrap=True)
  names = ['score', '95 %', 'speed-up', 'solved', 'hits']
  if result.reference is None:
    names.remove('speed-up')
  if result.has_verifications:
    names.append('verified')
  for name in names:
    table.add_column(name, justify='right', no_wrap=True)
  solved_S = np.isfinite(result.rows.ratios_SxB).sum(axis=1)
  reached, trials = collections.Counter(), collections.Counter()
  for cell in result.rows.cells:
    reached[cell.submission] += cell.reached
    trials[cell.submission] += cell.trials
  for row, solved in zip(result.rows.scores, solved_S, strict=True):
    cells = [f'{row.score:.4f}', interval(row.low, row.high)]
    if result.reference is not None:
      cells.append(f'{"~" if row.bounded else ""}{row.speedup:.2f}×')
    verified = [f'{row.verified}/{row.counting}']
    table.add_row(
      rank(row),
      text_lib.Text(row.submission, style='bold' if row.rank == 1 else ''),
      *cells,
      f'{solved}/{len(result.workloads)}',
      f'{reached[row.submission] / max(trials[row.submission], 1):.0%}',
      *(verified if result.has_verifications else ()),
    )
  return table


def times_tables(
  result: result_lib.Result, width: int
) -> Iterator[table_lib.Table]:
  """Medians to target; several tables if one would be too wide."""
  room = max(1, (width - _NAME_WIDTH) // (_CELL_WIDTH + 3))
  for start in range(0, len(result.columns.names), room):
    yield _times_table(result, slice(start, start + room))


def write(
  result: result_lib.Result, directory: str | os.PathLike[str]
) -> list[pathlib.Path]:
  """Writes the tables as CSV files; returns their paths."""
  directory = pathlib.Path(directory)
  directory.mkdir(parents=True, exist_ok=True)
  found = result.rows
  tables = {
    'scores': (found.scores, result.score_columns),
    'times': (result.evidence.trials, _TRIAL_COLUMNS),
    'studies': (found.studies, result.study_columns),
    'cells': (found.cells, rows.names(cells_lib.Cell)),
    'profiles': (found.profiles, rows.names(profiles.Corner)),
    'pairs': (found.pairs, rows.names(statistics.Pair)),
    'leave_one_out': (result.left_out, rows.names(statistics.LeftOut)),
    'warnings': (found.notices, rows.names(notices.Notice)),
  }
  paths = []
  for name, (some, columns) in tables.items():
    paths.append(directory / f'{name}.csv')
    rows.write(paths[-1], some, columns)
  return paths


def seconds(value: float) -> str:
  """A time for people: three digits or whole seconds, ∞ if not reached."""
  if math.isinf(value):
    return '∞'
  return f'{value:.1f}' if value < 1000 else f'{value:,.0f}'


def interval(low: float, high: float) -> str:
  """An interval of scores, a dash if it is not known."""
  return '–' if math.isnan(low) else f'{low:.2f}–{high:.2f}'


def rank(row: statistics.Score) -> str:
  """The rank in a row of scores, and those it may have: '2 (1–4)'."""
  if row.rank_low is None or row.rank_low == row.rank_high:
    return str(row.rank)
  return f'{row.rank} ({row.rank_low}–{row.rank_high})'


def _times_table(result: result_lib.Result, columns: slice) -> table_lib.Table:
  table = _table(f'{"Steps" if result.by == "steps" else "Seconds"} to target')
  table.add_column('submission', no_wrap=True)
  for name in result.columns.names[columns]:
    goal = result.benchmark.row(name).goal
    header = text_lib.Text(_wrapped(name))
    target = f'{goal.comparison} {goal.validation_target:g}'
    header.append(f'\n{_wrapped(goal.metric)}\n{target}', style='dim')
    table.add_column(header, justify='right', vertical='bottom')
  medians_SxW = result.rows.medians_SxW
  ratios_SxW = np.ones_like(medians_SxW)  # Variants have none.
  ratios_SxW[:, : len(result.workloads)] = result.rows.ratios_SxB
  best_SxW = medians_SxW == medians_SxW.min(axis=0)
  for row, submission in enumerate(result.rows.submissions):
    cells = map(
      _time_cell,
      *(array[row, columns] for array in (medians_SxW, ratios_SxW, best_SxW)),
    )
    table.add_row(text_lib.Text(submission), *cells)
  return table


def _time_cell(median: float, ratio: float, best: bool) -> text_lib.Text:
  """A median: bold for the best, in brackets if it does not count."""
  if math.isinf(median):
    return text_lib.Text('∞')
  if math.isinf(ratio):
    return text_lib.Text(f'({seconds(median)})')
  return text_lib.Text(seconds(median), style='bold' if best else '')


def _wrapped(name: str) -> str:
  """A name in lines that fit a column, broken after underscores."""
  lines = ['']
  for part in name.replace('_', '_ ').split():
    if len(lines[-1]) + len(part) > _CELL_WIDTH:
      lines.append('')
    lines[-1] += part
  return '\n'.join(lines)


def _table(title: str) -> table_lib.Table:
  return table_lib.Table(
    title=title,
    title_justify='left',
    title_style='bold',
    box=box.SIMPLE_HEAD,
    padding=(0, 1, 0, 0),
  )
