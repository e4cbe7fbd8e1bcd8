"""The last parts of a report: what its numbers rest on."""

from collections.abc import Sequence
import json
import math
from typing import Any

from scoring import notices, report, section, sheets, studies
from scoring import result as result_lib

_PLACES = ('submission', 'workload', 'study', 'trial')
_NUMBERS = (
  'studies',
  'trials',
  'reached',
  'missed',
  'damaged',
  'missing',
  'diverged',
  'failed',
  'over_budget',
)


def winners(result: result_lib.Result) -> section.Section | None:
  """Hyperparameters of the trials that count; None: there are none.

  Each submission has a table of its own, for they differ in their names.
  """
  known = {name: [] for name in result.rows.submissions}
  for study in result.rows.studies:
    if study.hyperparameters:
      known[study.submission].append(study)
  folds = [
    section.Fold(title=f'{name} ({len(some)} studies)', sheet=_points(some))
    for name, some in known.items()
    if some
  ]
  if not folds:
    return None
  return section.Section(
    anchor='hyperparameters',
    title='Hyperparameters that won',
    texts=['Of the trial that counts in each study that reached its target.'],
    folds=folds,
  )


def _points(some: Sequence[studies.Study]) -> sheets.Sheet:
  """A column for each hyperparameter."""
  points = [_by_name(json.loads(study.hyperparameters)) for study in some]
  names = list(dict.fromkeys(name for point in points for name in point))
  rows = [
    [
      sheets.Cell(text=study.workload),
      sheets.Cell(text=str(study.study)),
      sheets.Cell(text=str(study.trial)),
      *(sheets.Cell(text=_setting(point.get(name, ''))) for name in names),
    ]
    for study, point in zip(some, points, strict=True)
  ]
  return sheets.Sheet(header=('workload', 'study', 'trial', *names), rows=rows)


def _by_name(point: Any) -> dict[str, Any]:
  return point if isinstance(point, dict) else {'hyperparameters': point}


def _setting(value: Any) -> str:
  return f'{value:.5g}' if isinstance(value, float) else str(value)


def counts(result: result_lib.Result) -> section.Section:
  """Medians with their intervals, and what became of how many trials."""
  rows = [
    [
      sheets.Cell(text=cell.submission, mark='submission'),
      sheets.Cell(text=cell.workload),
      sheets.Cell(text=report.seconds(cell.value), key=cell.value),
      sheets.Cell(
        text=_bracket(cell.last_miss, cell.value), key=cell.last_miss
      ),
      sheets.Cell(text=_interval(cell.low, cell.high), key=cell.low),
      sheets.Cell(text='yes' if cell.counts else 'no'),
      *(sheets.Cell(text=str(getattr(cell, name))) for name in _NUMBERS),
    ]
    for cell in result.rows.cells
  ]
  header = (
    'submission',
    'workload',
    'median',
    'lies in',
    '95 % interval',
    'counts',
    *(name.replace('_', ' ') for name in _NUMBERS),
  )
  sheet = sheets.Sheet(header=header, rows=rows, left=2)
  return section.Section(
    anchor='counts',
    title='What each median rests on',
    texts=[
      'Trials that reached the target, missed it, or left a log that is '
      'damaged or missing; and of all trials those that diverged, failed, or '
      'used up their budget. A median lies in an interval as it does because '
      'trials are evaluated now and then; its 95 % interval is what other '
      'studies might give.'
    ],
    folds=[section.Fold(title=f'{len(rows)} medians', sheet=sheet)],
  )


def _interval(low: float, high: float) -> str:
  if math.isnan(low):
    return '–'
  return f'{report.seconds(low)}–{report.seconds(high)}'


def _bracket(low: float, high: float) -> str:
  if math.isinf(high):
    return '–'
  return f'({report.seconds(low)}, {report.seconds(high)}]'


def differences(result: result_lib.Result) -> section.Section | None:
  """Medians that the rules as published would change; None: there are none."""
  rows = [
    [
      sheets.Cell(text=row.submission, mark='submission'),
      sheets.Cell(text=row.workload),
      _seconds(row.as_written),
      _seconds(row.as_published),
      _change(row.as_written, row.as_published),
      _seconds(row.low),
      _seconds(row.high),
    ]
    for row in result.rows.differences
  ]
  if not rows or result.by != 'time':
    return None
  header = (
    'submission',
    'workload',
    'as written',
    'as published',
    'change',
    'at least',
    'at most',
  )
  return section.Section(
    anchor='differences',
    title='As written and as published',
    texts=[
      'Medians that AlgoPerf’s own scorer may form otherwise: of a study it '
      'takes the trial with the fewest evaluations, of several the one that it '
      'reads first; the rules as written take the least time. As published: if '
      'trials are read in the order of their numbers; at least and at most: in '
      'any order.'
    ],
    tables=[sheets.Sheet(header=header, rows=rows, left=2)],
  )


def _seconds(value: float) -> sheets.Cell:
  text = f'{value:,.1f}' if math.isfinite(value) else '∞'
  return sheets.Cell(text=text, key=value)


def _change(value: float, other: float) -> sheets.Cell:
  if not (math.isfinite(value) and math.isfinite(other) and value > 0):
    return sheets.Cell(text='–')
  change = other / value - 1
  return sheets.Cell(text=f'{change:+.2%}', key=change)


def warnings(result: result_lib.Result) -> section.Section:
  """What was wrong with logs, by kind, each with file and line."""
  kinds: dict[str, list[notices.Notice]] = {}
  for notice in result.rows.notices:
    kinds.setdefault(notice.kind, []).append(notice)
  folds = [
    section.Fold(title=f'{kind} ({len(some)})', sheet=_told(some))
    for kind, some in kinds.items()
  ]
  text = (
    'What is damaged or missing counts as not reached.'
    if folds
    else 'Nothing is missing, damaged or left out.'
  )
  return section.Section(
    anchor='warnings',
    title='What was left out, and why',
    texts=[text],
    folds=folds,
  )


def _told(some: Sequence[notices.Notice]) -> sheets.Sheet:
  lines = []
  for notice in some:
    places = (getattr(notice, name) for name in _PLACES)
    cells = [
      sheets.Cell(text='' if place is None else str(place)) for place in places
    ]
    where = notice.place if notice.path else ''
    cells += [
      sheets.Cell(text=notice.message),
      sheets.Cell(text=where, mark='code'),
    ]
    lines.append(cells)
  return sheets.Sheet(header=(*_PLACES, 'message', 'where'), rows=lines, left=6)


def hardware(result: result_lib.Result) -> section.Section | None:
  """What ran whose trials, if there are any."""
  rows = [
    [
      sheets.Cell(text=machine.submission, mark='submission'),
      sheets.Cell(text=machine.hardware or 'not recorded'),
      sheets.Cell(text=str(machine.trials)),
    ]
    for machine in result.evidence.machines
  ]
  if not rows:
    return None
  header = ('submission', 'hardware', 'trials')
  return section.Section(
    anchor='hardware',
    title='Hardware',
    tables=[sheets.Sheet(header=header, rows=rows, left=2)],
  )
