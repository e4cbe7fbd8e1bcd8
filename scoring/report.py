"""Results as tables on the screen and as CSV files."""

import collections
from collections.abc import Iterator, Sequence
import math
import os
import pathlib

import numpy as np
from rich import box
from rich import console as console_lib
from rich import table as table_lib
from rich import text as text_lib

from algoperf import spec
from scoring import cells as cells_lib
from scoring import notices, profiles, rows, statistics
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
  for message in loud_lines(result):
    console.print(text_lib.Text(message, style='bold red'))
  console.print(scores_table(result))
  for line in (*rules_lines(result), *certainty_lines(result)):
    console.print(text_lib.Text(line, style='dim'))
  console.print()
  for table in times_tables(result, console.width):
    console.print(table)
  console.print(text_lib.Text(_TIMES_NOTE, style='dim'))
  for line in difference_lines(result):
    console.print(text_lib.Text(line))
  for line in warning_lines(result):
    console.print(text_lib.Text(line, style='yellow'))


def loud_lines(result: result_lib.Result) -> list[str]:
  """Warnings that no reader of the scores may miss."""
  return [
    f'Other hardware: {notice.message}.'
    for notice in result.rows.notices
    if notice.kind == 'other hardware'
  ]


def scores_table(result: result_lib.Result) -> table_lib.Table:
  """Submissions, best first, with intervals and what they solved."""
  table = _table(title(result))
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


def title(result: result_lib.Result) -> str:
  """What was scored, and by which rules, in one line."""
  parts = [
    'Scores',
    result.benchmark.name,
    f'{result.ruleset.name} tuning',
    'by steps' if result.by == 'steps' else '',
    'as published' if result.as_published else '',
  ]
  return ' · '.join(filter(None, parts))


def rules_lines(result: result_lib.Result) -> list[str]:
  """What score and speed-up are, and by which rules."""
  lines = [
    'Score: mean height of the performance profile up to '
    f'{result.rules.max_ratio:g} × the best; relative to the submissions in '
    'this table. Solved: workloads that count. Hits: trials that reached '
    'their target.'
  ]
  if result.by == 'steps':
    lines.append(
      'Steps are calls of update_params; what a submission does in one is its '
      'own affair.'
    )
  if result.as_published:
    lines.append(
      'As published: of a study the trial with the fewest evaluations counts, '
      'and the profile is integrated over 100 points, as AlgoPerf’s scorer '
      'does. Without --as_published the rules are applied as written.'
    )
  if result.has_verifications:
    lines.append(
      'Verified: of the trials that count, those that `algoperf verify` '
      'confirmed, and whose files are still the same.'
    )
  if result.reference is not None:
    bound = 'budget' if result.by == 'time' else 'step hint'
    lines.append(
      'Speed-up: geometric mean over workloads, relative to '
      f'{result.reference}; ~ where a target that was not reached counts as '
      f'the {bound}.'
    )
  return lines


def certainty_lines(result: result_lib.Result) -> list[str]:
  """What the intervals are, and which neighbours they cannot tell apart."""
  if all(math.isnan(row.low) for row in result.rows.scores):
    return [
      'No intervals: they need two studies or more, for it is studies that are '
      'resampled.'
    ]
  fewest = result.fewest_studies
  lines = [
    'Intervals, and the ranks in brackets: 95 %, by a bootstrap over studies. '
    f'With {fewest} studies they held the true score in '
    f'{statistics.coverage(fewest):.1%} of simulated competitions.'
  ]
  alike = [
    f'{pair.better} – {pair.worse}'
    for pair in result.rows.pairs
    if pair.adjacent and not pair.distinct
  ]
  if alike:
    lines.append(f'Neighbours that cannot be told apart: {", ".join(alike)}.')
  return lines


def separation_line(result: result_lib.Result, names: Sequence[str]) -> str:
  """How many more studies should tell two submissions apart.

  Raises:
    UsageError: not two different submissions that take part.
  """
  known = result.rows.submissions
  if len(names) != 2 or names[0] == names[1] or not set(names) <= set(known):
    raise spec.UsageError(
      f'--separate takes two of {", ".join(known)}, separated by a comma; '
      f'not {",".join(names)!r}'
    )
  row = next(
    pair for pair in result.rows.pairs if {pair.better, pair.worse} == {*names}
  )
  start = (
    f'{row.better} – {row.worse}: {row.difference:.4f} '
    f'(95 %: {row.low:.4f} to {row.high:.4f}): '
  )
  if row.distinct:
    return f'{start}told apart already.'
  if math.isinf(row.studies_needed):
    return f'{start}no number of studies can be said to tell them apart.'
  return (
    f'{start}about {row.studies_needed:.0f} more studies of each should tell '
    'them apart (with 80 % power, if difference and spread stay as they are).'
  )


def times_tables(
  result: result_lib.Result, width: int
) -> Iterator[table_lib.Table]:
  """Medians to target; several tables if one would be too wide."""
  room = max(1, (width - _NAME_WIDTH) // (_CELL_WIDTH + 3))
  for start in range(0, len(result.columns.names), room):
    yield _times_table(result, slice(start, start + room))


def difference_lines(result: result_lib.Result) -> list[str]:
  """Medians that AlgoPerf's own scorer forms otherwise, one a line."""
  found = result.rows.differences
  if not found or result.by != 'time':
    return []
  medians = result.rows.medians_SxW.size
  now = sum(row.as_published != row.as_written for row in found)
  sure = sum(row.low != row.as_written for row in found)
  return [
    'AlgoPerf’s scorer takes of a study the trial with the fewest evaluations, '
    'of several the one that it reads first; the rules as written take the '
    f'least time. {now} of {medians} medians differ if trials are '
    f'read in the order of their numbers, {sure} in any order, {len(found)} in '
    'some. As written → as published, or in another order:',
    *(
      f'  {row.submission} {row.workload}: {row.as_written:,.1f} → '
      f'{row.as_published:,.1f}{_relative(row.as_written, row.as_published)}'
      f'{_other_order(row)}'
      for row in found
    ),
  ]


def _relative(value: float, other: float) -> str:
  known = math.isfinite(value) and math.isfinite(other) and other > 0
  return f' ({value / other - 1:+.2%})' if known and value != other else ''


def _other_order(row: cells_lib.Difference) -> str:
  """What the published median would be if trials were read otherwise."""
  ends = {row.low, row.high} - {row.as_published}
  return ''.join(f', or {end:,.1f}' for end in sorted(ends))


def warning_lines(result: result_lib.Result) -> list[str]:
  """One line for each kind of warning, with its number and first example."""
  kinds: dict[str, list[notices.Notice]] = {}
  for notice in result.rows.notices:
    if notice.kind != 'other hardware':
      kinds.setdefault(notice.kind, []).append(notice)
  lines = []
  for kind, some in kinds.items():
    first = some[0]
    line = '' if first.line is None else f' (line {first.line})'
    more = f' (and {len(some) - 1} more)' if len(some) > 1 else ''
    start = ': '.join(filter(None, (kind, first.subject or first.path)))
    lines.append(f'{start}: {first.message}{line}{more}')
  return lines


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
