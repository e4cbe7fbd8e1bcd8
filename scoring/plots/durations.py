"""Times to target: a panel a workload, a row a submission, a dot a study.

K: studies of one submission on one workload.
"""

import collections
from collections.abc import Mapping, Sequence
import dataclasses
import functools
import math
import operator

import numpy as np

from scoring import drawing, shapes
from scoring import result as result_lib
from scoring.plots import axes, style

_LEFT, _RIGHT, _LANE, _WIDTH = 160.0, 440.0, 448.0, 528.0
_TOP, _ROW = 44.0, 17.0
_COLUMNS = 3
_BOUNDS = {'time': 'last_miss', 'step': 'last_miss_step'}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Cell:
  """One submission on one workload."""

  studies: Sequence[tuple[int, int, float, float]]  # Study, trial, low, high.
  median: float
  counts: bool


_NOTHING = _Cell(studies=(), median=math.inf, counts=False)


def times(result: result_lib.Result) -> drawing.Figure:
  """Every study's time with its interval, and the medians."""
  body = drawing.grid(panels(result), _COLUMNS, 'Times to target')
  items = style.title(
    style.heading(result, 'Times to target'),
    'Dot: a study; thin line: from its last miss to its first hit; '
    'tick: the median, short where it does not count',
  )
  items.append(shapes.Moved(x=0, y=46, items=body.items))
  return drawing.Figure(
    width=body.width,
    height=46 + body.height,
    items=items,
    name=style.heading(result, 'Times to target'),
  )


@functools.lru_cache(maxsize=1)  # For files and the report.
def panels(result: result_lib.Result) -> list[drawing.Figure]:
  """The panels of `times`, by workload."""
  measure = style.measure(result)
  cells = _cells(result, measure)
  looks = style.looks(result)
  return [
    _panel(
      name, measure, {n: cells.get((n, name), _NOTHING) for n in looks}, looks
    )
    for name in result.columns.names
  ]


def _cells(
  result: result_lib.Result, measure: str
) -> dict[tuple[str, str], _Cell]:
  """By submission and workload."""
  values = operator.attrgetter('study', 'trial', _BOUNDS[measure], measure)
  studies = collections.defaultdict(list)
  for study in result.rows.studies:
    studies[study.submission, study.workload].append(values(study))
  return {
    (cell.submission, cell.workload): _Cell(
      studies=studies[cell.submission, cell.workload],
      median=cell.value,
      counts=cell.counts,
    )
    for cell in result.rows.cells
  }


def _panel(
  workload: str,
  measure: str,
  cells: Mapping[str, _Cell],
  looks: Mapping[str, style.Look],
) -> drawing.Figure:
  bottom = _TOP + _ROW * len(cells)
  title = shapes.shortened(workload, style.LABEL_SIZE, _WIDTH - 16)
  x = _scale(cells)
  items = [
    shapes.Rect(
      x=_LANE,
      y=_TOP,
      width=_WIDTH - _LANE - 8,
      height=bottom - _TOP,
      opacity=0.45,
    ),
    shapes.Text(x=8, y=16, text=title, bold=True, title=workload),
    shapes.Text(
      x=_LANE, y=_TOP - 6, text='not reached', color='muted', size=10
    ),
    *axes.vertical(x, axes.amounts(x, 5, measure), _TOP, bottom),
  ]
  for i, (name, cell) in enumerate(cells.items()):
    y = _TOP + (i + 0.5) * _ROW
    label = shapes.shortened(name, style.SMALL_SIZE, _LEFT - 16)
    items.append(
      shapes.Text(
        x=_LEFT - 8, y=y + 3.5, text=label, size=10, anchor='end', title=name
      )
    )
    items += _row(name, cell, measure, x, y, looks[name].color)
  return drawing.Figure(
    width=_WIDTH,
    height=bottom + 30,
    items=items,
    name=f'Times to the target of {workload}',
  )


def _scale(cells: Mapping[str, _Cell]) -> axes.Scale:
  """A logarithmic axis with room for all that was reached."""
  ends = [
    end
    for cell in cells.values()
    for *_, low, high in cell.studies
    for end in (low, high)
    if math.isfinite(high) and end > 0
  ]
  low, high = min(ends, default=1.0), max(ends, default=10.0)
  margin = max((high / low) ** 0.05, 1.03)
  return axes.Scale(
    low=low / margin, high=high * margin, start=_LEFT, end=_RIGHT, log=True
  )


def _row(
  submission: str,
  cell: _Cell,
  measure: str,
  x: axes.Scale,
  y: float,
  color: str,
) -> list[shapes.Shape]:
  """The studies of one submission; those without a hit in a lane apart."""
  reached = [study for study in cell.studies if math.isfinite(study[-1])]
  dots = []
  if reached:
    low_K, high_K = np.array(reached)[:, 2:].T
    right_K, left_K = x(high_K), x(np.maximum(low_K, x.low))
    dots.append(_brackets(left_K, right_K, y, color))
    for (study, trial, _, high), right in zip(
      reached, right_K.tolist(), strict=True
    ):
      title = f'study {study}, trial {trial}: {_amount(high, measure)}'
      dots.append(_dot(right, y, color, f'{submission}, {title}'))
  misses = [study[0] for study in cell.studies if math.isinf(study[-1])]
  gap = min(9.0, (_WIDTH - _LANE - 20) / max(len(misses), 1))
  for i, study in enumerate(misses):
    title = f'{submission}, study {study}: not reached'
    dots.append(_dot(_LANE + 6 + i * gap, y, color, title, hollow=True))
  return dots + _median(submission, cell, measure, x, y)


def _brackets(
  left_K: np.ndarray, right_K: np.ndarray, y: float, color: str
) -> shapes.Line:
  """A line for each study, from its last miss to its hit."""
  x_Kx3 = np.column_stack([left_K, right_K, np.full(len(left_K), np.nan)])
  points_Nx2 = np.column_stack([x_Kx3.ravel(), np.full(x_Kx3.size, y)])
  return shapes.Line(points_Nx2=points_Nx2, color=color)


def _dot(
  x: float, y: float, color: str, title: str, hollow: bool = False
) -> shapes.Circle:
  return shapes.Circle(
    x=x, y=y, radius=3.4, color=color, title=title, hollow=hollow
  )


def _median(
  submission: str, cell: _Cell, measure: str, x: axes.Scale, y: float
) -> list[shapes.Shape]:
  if not math.isfinite(cell.median):
    return []
  left, half = float(x(cell.median)), 7.0 if cell.counts else 3.5
  title = f'{submission}, median: {_amount(cell.median, measure)}'
  if not cell.counts:
    title += ' (does not count)'
  return [
    axes.straight(
      left, y - half, left, y + half, color='text', width=2.0, title=title
    )
  ]


def _amount(value: float, measure: str) -> str:
  return f'{value:,.1f} s' if measure == 'time' else f'{value:,.0f} steps'
