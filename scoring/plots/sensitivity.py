"""How scores change when one workload is left out."""

import math

from scoring import drawing, shapes, statistics
from scoring import result as result_lib
from scoring.plots import style

_ROW, _COLUMN = 22.0, 66.0


def leave_one_out(result: result_lib.Result) -> drawing.Figure:
  """A row a submission, a column the workload left out; blue is better."""
  names = result.rows.submissions
  widest = max(shapes.text_width(n, style.LABEL_SIZE) for n in names)
  left = min(max(widest, 120), 240) + 20
  longest = max(shapes.text_width(n, 10) for n in result.workloads)
  top = 50 + min(longest, 190)
  columns = {name: i for i, name in enumerate(result.workloads)}
  rows = {name: i for i, name in enumerate(names)}
  items = style.title(
    style.heading(result, 'Scores without one workload'),
    'Change of the score; in brackets the rank, where it changes',
  )
  for name, i in columns.items():
    x = left + (i + 0.5) * _COLUMN + 4
    label = shapes.shortened(name, 10, 190)
    items.append(
      shapes.Text(x=x, y=top - 6, text=label, size=10, upwards=True, title=name)
    )
  for name, i in rows.items():
    label = shapes.shortened(name, style.LABEL_SIZE, left - 20)
    y = top + (i + 0.5) * _ROW + 4
    items.append(
      shapes.Text(x=left - 10, y=y, text=label, anchor='end', title=name)
    )
  for row in result.left_out:
    x = left + columns[row.left_out] * _COLUMN
    items += _cell(row, x, top + rows[row.submission] * _ROW)
  return drawing.Figure(
    width=max(left + len(columns) * _COLUMN + 12, 480),
    height=top + len(rows) * _ROW + 12,
    items=items,
    name=style.heading(result, 'Scores without one workload'),
  )


def _cell(row: statistics.LeftOut, x: float, y: float) -> list[shapes.Shape]:
  """A change as a number on a ground that is the stronger, the larger it is."""
  change = row.change if math.isfinite(row.change) else 0.0
  rank = f' ({row.rank})' if row.rank_change else ''
  title = f'{row.submission} without {row.left_out}: score {row.score:.4f}'
  return [
    shapes.Rect(
      x=x + 1,
      y=y + 1,
      width=_COLUMN - 2,
      height=_ROW - 2,
      color='0' if change > 0 else '1',
      opacity=min(abs(change) * 5, 0.45),
      title=f'{title}, rank {row.rank:.0f}',
    ),
    shapes.Text(
      x=x + _COLUMN / 2,
      y=y + _ROW / 2 + 4,
      text=f'{change:+.3f}{rank}',
      size=10,
      anchor='middle',
    ),
  ]
