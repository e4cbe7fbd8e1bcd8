"""Figures of a result: drawn from shapes, with no plotting library.

>>> plots.profiles(result).svg()
>>> plots.write(result, 'figures')
"""

import os
import pathlib

from scoring import result as result_lib
from scoring.plots.durations import times
from scoring.plots.intervals import scores
from scoring.plots.sensitivity import leave_one_out
from scoring.plots.steps import profiles
from scoring.plots.training import curves

__all__ = ['curves', 'leave_one_out', 'profiles', 'scores', 'times', 'write']
_FIGURES = (scores, profiles, times, curves, leave_one_out)


def write(
  result: result_lib.Result, directory: str | os.PathLike[str]
) -> list[pathlib.Path]:
  """Writes every figure as .svg and as .pdf, by its function's name.

  No curves where there are no trials, as of a published board.

  Returns:
    The paths of the files.
  """
  directory = pathlib.Path(directory)
  directory.mkdir(parents=True, exist_ok=True)
  paths = []
  for draw in _FIGURES:
    if draw is curves and not result.evidence.trials:
      continue
    figure = draw(result)
    path = directory / f'{draw.__name__}.svg'
    path.write_text(figure.svg(), encoding='utf-8')
    paths.append(path)
    paths.append(path.with_suffix('.pdf'))
    paths[-1].write_bytes(figure.pdf())
  return paths
