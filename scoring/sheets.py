"""Results as tables of text, whatever they are then written in.

The rich tables of the screen are elsewhere; these go into pages and papers.
"""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np

from scoring import cells, report
from scoring import result as result_lib
from scoring.plots import style


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
  """What one cell says.

  Attributes:
    text: to be read.
    key: what the column is sorted by; None: the text, as a number if it is one.
    mark: 'best', 'out' (does not count), 'submission' (a name), 'code' or
      ''.
    tint: from -1 (worse) to 1 (better).
  """

  text: str
  key: float | None = None
  mark: str = ''
  tint: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sheet:
  """A table; every row has a cell for each name of the header."""

  header: tuple[str, ...]
  rows: Sequence[Sequence[Cell]]
  hints: tuple[str, ...] = ()  # Below the names of the header; none or all.
  left: int = 1  # How many columns hold text, which is aligned to the left.


def scores(result: result_lib.Result) -> Sheet:
  """Submissions, best first, with intervals, and what they solved."""
  solved_S = np.isfinite(result.rows.ratios_SxB).sum(axis=1)
  header = ['rank', 'submission', 'score', '95 % interval', 'ranks', 'solved']
  if result.reference is not None:
    header += ['speed-up', 'its 95 % interval']
  if result.has_verifications:
    header.append('verified')
  rows = []
  for row, solved in zip(result.rows.scores, solved_S, strict=True):
    cells = [
      Cell(text=str(row.rank)),
      Cell(text=row.submission, mark='submission'),
      Cell(text=f'{row.score:.4f}', mark='best' if row.rank == 1 else ''),
      Cell(text=between(row.low, row.high, '{:.3f}'), key=row.low),
      Cell(text=style.rank_range(row), key=float(row.rank)),
      Cell(text=f'{solved} of {len(result.workloads)}', key=float(solved)),
    ]
    if result.reference is not None:
      bound = '~' if row.bounded else ''
      ends = row.speedup_low, row.speedup_high
      cells += [
        Cell(text=f'{bound}{row.speedup:.2f}×', key=row.speedup),
        Cell(text=between(*ends, '{:.2f}'), key=row.speedup_low),
      ]
    if result.has_verifications:
      text = f'{row.verified} of {row.counting}'
      cells.append(Cell(text=text, key=float(row.verified)))
    rows.append(cells)
  return Sheet(header=tuple(header), rows=rows, left=2)


def times(result: result_lib.Result) -> Sheet:
  """Medians; a row a submission, a column a workload."""
  names = result.columns.names
  best_W = result.rows.medians_SxW.min(axis=0).tolist()
  medians = iter(result.rows.cells)  # A row after the other.
  rows = [
    [
      Cell(text=submission, mark='submission'),
      *(_median(next(medians), best) for best in best_W),
    ]
    for submission in result.rows.submissions
  ]
  goals = [result.benchmark.row(name).goal for name in names]
  targets = (
    f'{g.metric} {style.SIGNS[g.comparison]}\u00a0{g.validation_target:g}'
    for g in goals
  )
  return Sheet(header=('submission', *names), rows=rows, hints=('', *targets))


def _median(cell: cells.Cell, best: float) -> Cell:
  text, reached = report.seconds(cell.value), math.isfinite(cell.value)
  if reached and not cell.counts:
    return Cell(text=f'({text})', key=cell.value, mark='out')
  mark = 'best' if reached and cell.value == best else ''
  return Cell(text=text, key=cell.value, mark=mark)


def between(low: float, high: float, form: str) -> str:
  """An interval, a dash if it is not known."""
  if math.isnan(low) or math.isnan(high):
    return '–'
  return f'{form.format(low)}–{form.format(high)}'
