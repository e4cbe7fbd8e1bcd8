"""A report of everything: one page that needs nothing else, not even a network.

Its parts are in `sections`; how they look is in `templates/`.
"""

import datetime
from importlib import metadata
import os
import pathlib
import platform
import re
from typing import TYPE_CHECKING

from scoring import drawing, report, sections, shapes, sheets
from scoring import result as result_lib
from scoring.plots import style

if TYPE_CHECKING:
  import markupsafe

_TEMPLATES = pathlib.Path(__file__).parent / 'templates'
_LONG = 60  # Characters; what is longer is set in several lines.


def write(
  result: result_lib.Result, path: str | os.PathLike[str]
) -> pathlib.Path:
  """Writes the report as one HTML file; returns its path."""
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(render(result), encoding='utf-8')
  return path


def render(result: result_lib.Result) -> str:
  """The report as HTML."""
  import jinja2
  import markupsafe

  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
  )
  environment.filters |= {'breakable': _breakable, 'attributes': _attributes}
  swatches = {
    name: markupsafe.Markup(style.swatch(look).svg(standalone=False))
    for name, look in style.looks(result).items()
  }
  return environment.get_template('report.html').render(
    title=report.title(result),
    description=result.benchmark.description,
    loud=report.loud_lines(result),
    sections=sections.of(result),
    swatches=swatches,
    footer=_versions(),
    light=markupsafe.Markup(drawing.variables(shapes.LIGHT)),
    dark=markupsafe.Markup(drawing.variables(shapes.DARK)),
    figure_style=markupsafe.Markup(drawing.style()),
  )


def _versions() -> str:
  packages = ('algoperf-harness', 'numpy', 'pyarrow')
  versions = [f'{name} {metadata.version(name)}' for name in packages]
  return (
    f'Written on {datetime.date.today():%d %B %Y} by {", ".join(versions)}, '
    f'Python {platform.python_version()}.'
  )


def _breakable(text: str) -> 'markupsafe.Markup':
  """A name that may be broken after its underscores."""
  import markupsafe

  return markupsafe.Markup('<wbr>').join(
    markupsafe.escape(part) for part in re.split(r'(?<=_)', text)
  )


def _attributes(cell: sheets.Cell, right: bool) -> 'markupsafe.Markup':
  """Class, colour and key of a table's cell, as attributes with a space."""
  import markupsafe

  classes = (
    [cell.mark] if cell.mark in ('best', 'out', 'code', 'submission') else []
  )
  if right:
    classes.append('right')
  if len(cell.text) > _LONG:
    classes.append('long')
  text = f' class="{" ".join(classes)}"' if classes else ''
  if cell.key is not None:
    text += f' data-key="{cell.key:.6g}"'
  if cell.tint:
    ink, share = ('0' if cell.tint > 0 else '1'), min(abs(cell.tint), 1) * 45
    text += (
      f' style="background:color-mix(in srgb,var(--ink-{ink}) {share:.0f}%,'
      'transparent)"'
    )
  return markupsafe.Markup(text)
