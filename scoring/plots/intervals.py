"""Scores with the intervals that they are known to lie in."""

import functools

from scoring import drawing, shapes, statistics
from scoring import result as result_lib
from scoring.plots import axes, style

_TOP, _ROW, _WIDTH, _RIGHT = 54.0, 22.0, 420.0, 134.0


@functools.lru_cache(maxsize=1)  # For files and the report.
def scores(result: result_lib.Result) -> drawing.Figure:
  """A dot for each score and a whisker for its interval, best first."""
  names = result.rows.submissions
  widest = max(shapes.text_width(n, style.LABEL_SIZE) for n in names)
  left = min(max(widest, 120), 240) + 16
  right, bottom = left + _WIDTH, _TOP + len(names) * _ROW + 6
  x = axes.Scale(low=0, high=1, start=left, end=right)
  known = any(row.low <= row.high for row in result.rows.scores)
  items = style.title(
    style.heading(result, 'Scores'),
    'Whiskers: 95 % intervals' if known else 'No intervals: one study only',
  )
  items += axes.vertical(x, axes.numbers(x, 5), _TOP - 4, bottom)
  looks = style.looks(result)
  for i, row in enumerate(result.rows.scores):
    items += _row(row, x, _TOP + (i + 0.5) * _ROW, looks[row.submission].color)
  return drawing.Figure(
    width=right + _RIGHT,
    height=bottom + 24,
    items=items,
    name=style.heading(result, 'Scores'),
  )


def _row(
  row: statistics.Score, x: axes.Scale, y: float, color: str
) -> list[shapes.Shape]:
  """Name, whisker, dot, score and ranks of a row of `scores`."""
  name = shapes.shortened(row.submission, style.LABEL_SIZE, x.start - 16)
  value = f'{row.score:.4f}'
  ranks = style.rank_range(row, 'rank ')
  whisker = []
  if row.low <= row.high:
    whisker = _whisker(float(x(row.low)), float(x(row.high)), y, color)
  return [
    shapes.Text(
      x=x.start - 10, y=y + 4, text=name, anchor='end', title=row.submission
    ),
    *whisker,
    shapes.Circle(
      x=float(x(row.score)),
      y=y,
      radius=5,
      color=color,
      title=f'{row.submission}: {value}',
    ),
    shapes.Text(x=x.end + 14, y=y + 4, text=value),
    shapes.Text(x=x.end + 64, y=y + 4, text=ranks, color='muted', size=10),
  ]


def _whisker(
  low: float, high: float, y: float, color: str
) -> list[shapes.Shape]:
  ends = (
    (low, y, high, y),
    (low, y - 4, low, y + 4),
    (high, y - 4, high, y + 4),
  )
  return [axes.straight(*points, color=color, width=1.6) for points in ends]
