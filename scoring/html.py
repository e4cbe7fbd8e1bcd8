"""A report of everything: one page that needs nothing else, not even a network.

Its parts are in `sections`, how they become elements in `elements`; the page
around them, and how it looks, are in `templates/`.
"""

import datetime
from importlib import metadata
import os
import pathlib
import platform
import string

from scoring import drawing, elements, sections, sentences, shapes
from scoring import result as result_lib
from scoring.plots import style

_TEMPLATES = pathlib.Path(__file__).parent / 'templates'


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
  page, css, script = (
    (_TEMPLATES / f'report.{kind}').read_text(encoding='utf-8')
    for kind in ('html', 'css', 'js')
  )
  swatches = {
    name: style.swatch(look).svg(standalone=False)
    for name, look in style.looks(result).items()
  }
  parts = sections.of(result)
  escaped = elements.escaped
  return string.Template(page).substitute(
    title=escaped(sentences.title(result)),
    description=escaped(result.benchmark.description),
    loud=''.join(
      f'<p class="loud">{escaped(line)}</p>' for line in sentences.loud(result)
    ),
    links=''.join(map(elements.link, parts)),
    sections='\n'.join(elements.section(part, swatches) for part in parts),
    footer=escaped(_versions()),
    light=drawing.variables(shapes.LIGHT),
    dark=drawing.variables(shapes.DARK),
    figure_style=drawing.style(),
    style=css,
    script=script,
  )


def _versions() -> str:
  packages = ('algoperf-harness', 'numpy', 'pyarrow')
  versions = [f'{name} {metadata.version(name)}' for name in packages]
  return (
    f'Written on {datetime.date.today():%d %B %Y} by {", ".join(versions)}, '
    f'Python {platform.python_version()}.'
  )
