"""Performance profiles (Dolan and Moré, arXiv cs/0102001)."""

import collections
import functools

import numpy as np

from scoring import drawing, shapes
from scoring import result as result_lib
from scoring.plots import axes, style

_LEFT, _TOP, _WIDTH, _HEIGHT = 58.0, 54.0, 560.0, 300.0
_ROW = 19.0


@functools.lru_cache(maxsize=1)  # For files and the report.
def profiles(result: result_lib.Result) -> drawing.Figure:
  """The profile of every submission; a legend with scores, best first."""
  right, bottom = _LEFT + _WIDTH, _TOP + _HEIGHT
  limit = result.rules.max_ratio
  x = axes.Scale(low=1, high=limit, start=_LEFT, end=right)
  y = axes.Scale(low=0, high=1, start=bottom, end=_TOP)
  items = style.title(
    style.heading(result, 'Performance profiles'),
    'How many workloads a submission reaches within a multiple of the '
    f'fastest {"time" if result.by == "time" else "number of steps"}',
  )
  items += axes.vertical(x, axes.numbers(x, 7, '{:g}×'.format), _TOP, bottom)
  items += axes.horizontal(y, axes.numbers(y, 5, '{:.0%}'.format), _LEFT, right)
  items += _lines(result, x, y)
  names = result.rows.submissions
  widest = max(shapes.text_width(n, style.LABEL_SIZE) for n in names)
  room = min(max(widest, 70), 240)
  items += _legend(result, right + 22, room)
  for caption in (
    shapes.Text(
      x=(_LEFT + right) / 2,
      y=bottom + 34,
      text='multiple of the fastest submission’s',
      color='muted',
      anchor='middle',
    ),
    shapes.Text(
      x=14,
      y=(_TOP + bottom) / 2,
      text=f'share of {len(result.workloads)} workloads',
      color='muted',
      anchor='middle',
      upwards=True,
    ),
  ):
    items.append(caption)
  return drawing.Figure(
    width=right + 22 + 82 + room,
    height=max(bottom + 46, _TOP + _ROW * (len(names) + 1) + 8),
    items=items,
    name=style.heading(result, 'Performance profiles'),
  )


def _lines(
  result: result_lib.Result, x: axes.Scale, y: axes.Scale
) -> list[shapes.Shape]:
  """Step lines; the best submission's lies on top."""
  corners = collections.defaultdict(list)
  for corner in result.rows.profiles:
    corners[corner.submission].append((corner.tau, corner.fraction))
  looks = style.looks(result)
  lines = []
  for row in reversed(result.rows.scores):
    tau_N, fraction_N = np.array(corners[row.submission]).T
    look = looks[row.submission]
    lines.append(
      shapes.Line(
        points_Nx2=shapes.step_line(x(tau_N), y(fraction_N)),
        color=look.color,
        dash=look.dash,
        width=2.2,
        title=f'{row.submission}: score {row.score:.4f}',
      )
    )
  return lines


def _legend(
  result: result_lib.Result, x: float, room: float
) -> list[shapes.Shape]:
  items: list[shapes.Shape] = [
    shapes.Text(x=x + 30, y=_TOP + 4, text='score', color='muted')
  ]
  looks = style.looks(result)
  for i, row in enumerate(result.rows.scores, start=1):
    look, y = looks[row.submission], _TOP + 4 + i * _ROW
    name = shapes.shortened(row.submission, style.LABEL_SIZE, room)
    items += [
      look.sample(x, y - 4),
      shapes.Text(x=x + 30, y=y, text=f'{row.score:.4f}'),
      shapes.Text(x=x + 76, y=y, text=name, title=row.submission),
    ]
  return items
