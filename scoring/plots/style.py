"""What submissions look like, the same in all figures and tables."""

from collections.abc import Mapping
import dataclasses

import numpy as np

from scoring import drawing, shapes, statistics
from scoring import result as result_lib

TITLE_SIZE = 13.0
LABEL_SIZE = 11.0
SMALL_SIZE = 10.0
# A second round of the colours is dashed, a third one dotted.
_DASHES = ((), (6.0, 3.0), (1.5, 2.5), (8.0, 2.5, 1.5, 2.5))
SIGNS = {'>=': '≥', '<=': '≤', '>': '>', '<': '<'}
_SAMPLE_WIDTH = 24.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
  """How the lines of one submission are drawn."""

  color: str
  dash: tuple[float, ...]

  def sample(self, x: float, y: float) -> shapes.Line:
    """A short line, for legends."""
    points_2x2 = np.array([[x, y], [x + _SAMPLE_WIDTH, y]])
    return shapes.Line(
      points_Nx2=points_2x2, color=self.color, dash=self.dash, width=2.5
    )


def looks(result: result_lib.Result) -> Mapping[str, Look]:
  """By submission; the best one has the first colour."""
  return {
    submission: Look(
      color=str(i % shapes.SERIES),
      dash=_DASHES[i // shapes.SERIES % len(_DASHES)],
    )
    for i, submission in enumerate(result.rows.submissions)
  }


def rank_range(row: statistics.Score, before: str = '') -> str:
  """Ranks that a row of scores may have; '' where they are not known."""
  if row.rank_low is None:
    return ''
  if row.rank_low == row.rank_high:
    return f'{before}{row.rank_low}'
  return f'{before}{row.rank_low}–{row.rank_high}'


def measure(result: result_lib.Result) -> str:
  """The column of what was compared: 'time' or 'step'."""
  return 'time' if result.by == 'time' else 'step'


def swatch(look: Look) -> drawing.Figure:
  """A submission's line alone, to stand beside its name."""
  return drawing.Figure(
    width=_SAMPLE_WIDTH, height=10, items=[look.sample(0, 5)], name='line'
  )


def legend(result: result_lib.Result, width: float) -> drawing.Figure:
  """The names of all submissions, best first, in columns below each other."""
  names = result.rows.submissions
  row, gap = 18.0, 14.0
  widest = max(shapes.text_width(name, LABEL_SIZE) for name in names)
  column = min(_SAMPLE_WIDTH + 6 + widest + gap, width)
  columns = max(int(width / column), 1)
  items: list[shapes.Shape] = []
  for i, (name, look) in enumerate(looks(result).items()):
    x, y = i % columns * column, i // columns * row + 12
    items += labelled(name, look, x, y, column - _SAMPLE_WIDTH - 6)
  height = -(-len(names) // columns) * row + 4
  return drawing.Figure(
    width=width, height=height, items=items, name='Submissions'
  )


def labelled(
  name: str, look: Look, x: float, y: float, width: float
) -> list[shapes.Shape]:
  """A submission's line and name; the text's baseline is at `y`."""
  text = shapes.shortened(name, LABEL_SIZE, width)
  return [
    look.sample(x, y - 4),
    shapes.Text(
      x=x + _SAMPLE_WIDTH + 6, y=y, text=text, size=LABEL_SIZE, title=name
    ),
  ]


def title(text: str, subtitle: str = '') -> list[shapes.Shape]:
  """A figure's title in its upper left corner."""
  return [
    shapes.Text(x=8, y=20, text=text, size=TITLE_SIZE, bold=True),
    shapes.Text(x=8, y=37, text=subtitle, size=LABEL_SIZE, color='muted'),
  ]


def heading(result: result_lib.Result, what: str) -> str:
  """What a figure shows, and of which competition."""
  parts = [what, result.benchmark.name, f'{result.ruleset.name} tuning']
  if result.by == 'steps':
    parts.append('by steps')
  if result.as_published:
    parts.append('as published')
  return ' · '.join(parts)
