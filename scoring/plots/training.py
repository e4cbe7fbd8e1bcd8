"""Training curves: a panel a workload.

T: all trials. M: all evaluations, and a NaN. R: trials of a workload. N: their
evaluations, a NaN after each trial. P: some of these. K: studies.
"""

from collections.abc import Mapping, Sequence
import functools
import math
import operator
from typing import NamedTuple

import numpy as np

from algoperf import spec
from scoring import drawing, shapes
from scoring import result as result_lib
from scoring.plots import axes, style

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 322.0, 42.0, 212.0
_PANEL_WIDTH, _PANEL_HEIGHT = 336.0, 246.0
_COLUMNS = 4
MOST = 60  # Trials of a workload; of more only those that count are drawn.


class _Trials(NamedTuple):
  """The trials of one workload."""

  submission_R: np.ndarray  # Places among the scores, from 0.
  won_R: np.ndarray  # Is it the one that counts in its study?
  row_N: np.ndarray  # Which trial a point belongs to.
  values_Nx2: np.ndarray  # Time or step, and the validation metric.


def curves(result: result_lib.Result) -> drawing.Figure:
  """The validation metric of trials while they ran, one panel a workload."""
  body = drawing.grid(panels(result), _COLUMNS, 'Training curves')
  legend = style.legend(result, body.width - 16)
  items = style.title(
    style.heading(result, 'Training curves'),
    'Strong: the fastest trial of each study, its dot where it reached the '
    f'target; faint: other trials, of workloads with up to {MOST}',
  )
  items += [
    shapes.Moved(x=8, y=50, items=legend.items),
    shapes.Moved(x=0, y=58 + legend.height, items=body.items),
  ]
  return drawing.Figure(
    width=body.width,
    height=58 + legend.height + body.height,
    items=items,
    name=style.heading(result, 'Training curves'),
  )


@functools.lru_cache(maxsize=1)  # For files and the report.
def panels(result: result_lib.Result) -> list[drawing.Figure]:
  """The panels of `curves`, by workload."""
  measure = style.measure(result)
  trials = _trials(result, measure)
  looks = style.looks(result)
  hits = _hits(result, measure)
  figures = []
  for name, own in trials.items():
    goal = result.benchmark.row(name).goal
    x, y = _scales(own.values_Nx2, goal)
    dots = _dots(hits.get(name, []), x, float(y(goal.validation_target)), looks)
    items = _lines(own, x, y, looks) + dots
    figures.append(_panel(name, goal, measure, x, y, items))
  return figures


def _trials(result: result_lib.Result, measure: str) -> dict[str, _Trials]:
  """All trials that were evaluated, by workload."""
  logs = result.evidence.reading.logs
  amount_M = logs.time_N if measure == 'time' else logs.step_N
  values_Mx2 = np.column_stack([amount_M, logs.validation_N])
  values_Mx2 = np.append(values_Mx2, [[np.nan, np.nan]], axis=0)
  rows: dict[str, list[int]] = {name: [] for name in result.columns.names}
  for row, record in enumerate(logs.records):
    if record.evaluations:
      rows[record.where.workload].append(row)
  winners = {study.path for study in result.rows.studies}
  place = {name: i for i, name in enumerate(result.rows.submissions)}
  trials = {}
  for name, some in rows.items():
    own = [logs.records[row].where for row in some]
    row_N, at_N = _followed_by_nothing(logs.starts_T1, np.array(some, int))
    trials[name] = _Trials(
      submission_R=np.array([place[where.submission] for where in own], int),
      won_R=np.array([where.path in winners for where in own], bool),
      row_N=row_N,
      values_Nx2=values_Mx2[at_N],
    )
  return trials


def _followed_by_nothing(
  starts_T1: np.ndarray, rows_R: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Evaluations of some trials, one trial after the other.

  Returns:
    row_N: which of the trials each point belongs to.
    at_N: where it stands among all evaluations; -1 after each trial.
  """
  starts_R = starts_T1[rows_R]
  lengths_R = starts_T1[rows_R + 1] - starts_R
  row_N = np.repeat(np.arange(len(rows_R)), lengths_R + 1)
  ends_R = np.cumsum(lengths_R + 1) - 1
  at_N = np.arange(len(row_N)) + (starts_R + lengths_R - ends_R)[row_N]
  at_N[ends_R] = -1
  return row_N, at_N


def _scales(
  values_Nx2: np.ndarray, goal: spec.Goal
) -> tuple[axes.Scale, axes.Scale]:
  """Axes that show how the target is approached, not the first steps."""
  target = goal.validation_target
  known_Nx2 = values_Nx2[np.isfinite(values_Nx2).all(axis=1)]
  time_N, metric_N = np.append(known_Nx2, [[0.0, target]], axis=0).T
  x = axes.Scale(
    low=0, high=(time_N.max() or 1.0) * 1.02, start=_LEFT, end=_RIGHT
  )
  if goal.higher_is_better:
    low, high = min(np.quantile(metric_N, 0.25), target), metric_N.max()
  else:
    low, high = metric_N.min(), max(np.quantile(metric_N, 0.75), target)
  log = not goal.higher_is_better and low > 0 and high > 2 * low
  if log:
    low, high = low / 1.1, high * 1.1
  else:
    margin = 0.08 * (high - low) or 0.08 * abs(low) or 1.0
    low, high = low - margin, high + margin
  return x, axes.Scale(low=low, high=high, start=_BOTTOM, end=_TOP, log=log)


def _lines(
  trials: _Trials,
  x: axes.Scale,
  y: axes.Scale,
  looks: Mapping[str, style.Look],
) -> list[shapes.Shape]:
  """Faint lines below strong ones; one of each for a submission."""
  lines = []
  shown_R = trials.won_R | (len(trials.won_R) <= MOST)
  for won in (False, True):
    mine_R = shown_R & (trials.won_R == won)
    mine_N = mine_R[trials.row_N]
    points_Px2 = _points(trials.values_Nx2[mine_N], x, y)
    keep_P = shapes.visible(points_Px2, 0.3 if won else 1.0)
    points_Px2 = points_Px2[keep_P]
    place_P = trials.submission_R[trials.row_N[mine_N][keep_P]]
    for place, (name, look) in reversed(list(enumerate(looks.items()))):
      line = shapes.Line(
        points_Nx2=points_Px2[place_P == place],
        color=look.color,
        dash=look.dash if won else (),
        width=1.5 if won else 1.0,
        opacity=0.9 if won else 0.22,
        title=name,
      )
      lines.append(line)
  return lines


def _points(values_Px2: np.ndarray, x: axes.Scale, y: axes.Scale) -> np.ndarray:
  """Pixels; the pen is lifted where a line runs outside of the panel."""
  x_P, y_P = x(values_Px2[:, 0]), y(values_Px2[:, 1])
  out_P = ~((y_P >= _TOP) & (y_P <= _BOTTOM))
  out_P[1:-1] &= out_P[:-2] & out_P[2:]
  return np.column_stack([x_P, np.where(out_P, np.nan, y_P)])


def _hits(
  result: result_lib.Result, measure: str
) -> dict[str, list[tuple[str, int, int, float]]]:
  """Submission, study, trial and time of all hits that count, by workload."""
  hits: dict[str, list[tuple[str, int, int, float]]] = {}
  hit = operator.attrgetter('submission', 'study', 'trial', measure)
  for study in result.rows.studies:
    if math.isfinite(getattr(study, measure)):
      hits.setdefault(study.workload, []).append(hit(study))
  return hits


def _dots(
  hits: Sequence[tuple[str, int, int, float]],
  x: axes.Scale,
  height: float,
  looks: Mapping[str, style.Look],
) -> list[shapes.Shape]:
  """A dot on the target where the trial that counts reached it."""
  times_K = np.array([time for *_, time in hits])
  return [
    shapes.Circle(
      x=left,
      y=height,
      radius=2.8,
      color=looks[name].color,
      title=f'{name}, study {study}, trial {trial}',
    )
    for (name, study, trial, _), left in zip(
      hits, x(times_K).tolist(), strict=True
    )
  ]


def _panel(
  name: str,
  goal: spec.Goal,
  measure: str,
  x: axes.Scale,
  y: axes.Scale,
  lines: list[shapes.Shape],
) -> drawing.Figure:
  """Lines in their frame, with the target and the grid."""
  frame = [
    *axes.vertical(x, axes.amounts(x, 5, measure), _TOP, _BOTTOM),
    *axes.horizontal(y, axes.numbers(y, 5), _LEFT, _RIGHT),
  ]
  height = float(y(goal.validation_target))
  target = axes.straight(
    _LEFT, height, _RIGHT, height, color='text', width=1.2, dash=(5.0, 3.0)
  )
  title = shapes.shortened(name, style.LABEL_SIZE, _PANEL_WIDTH - 16)
  wanted = f'{goal.metric} {style.SIGNS[goal.comparison]} '
  wanted += f'{goal.validation_target:g}'
  return drawing.Figure(
    width=_PANEL_WIDTH,
    height=_PANEL_HEIGHT,
    name=f'Training curves of {name}, target {wanted}',
    items=[
      shapes.Text(x=8, y=16, text=title, bold=True, title=name),
      shapes.Text(x=8, y=32, text=f'target: {wanted}', color='muted', size=10),
      *frame,
      shapes.Clip(
        x=_LEFT,
        y=_TOP,
        width=_RIGHT - _LEFT,
        height=_BOTTOM - _TOP,
        items=[target, *lines],
      ),
    ],
  )
