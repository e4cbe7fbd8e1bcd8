"""Parts of a report as HTML elements; here all text is escaped."""

from collections.abc import Mapping, Sequence
import html

from scoring import drawing, sheets
from scoring import section as section_lib

_LONG = 60  # Characters; what is longer is set in several lines.
_MARKS = ('best', 'out', 'code', 'submission')  # Classes of cells.

Swatches = Mapping[str, str]  # By submission, its line as SVG.


def escaped(text: str) -> str:
  """Text without meaning for HTML, also in attributes."""
  return html.escape(text)


def link(section: section_lib.Section) -> str:
  """An item of the list of sections."""
  return f'\n<li><a href="#{section.anchor}">{escaped(section.title)}</a></li>'


def section(section: section_lib.Section, swatches: Swatches) -> str:
  """All of a section, in the order of its fields."""
  anchor = section.anchor
  parts = [
    f'<section id="{anchor}" aria-labelledby="{anchor}-title">',
    f'<h2 id="{anchor}-title">{escaped(section.title)}</h2>',
    *(f'<p>{escaped(text)}</p>' for text in section.texts),
  ]
  if section.points:
    items = (f'<li>{escaped(point)}</li>' for point in section.points)
    parts.append(f'<ul>{"".join(items)}</ul>')
  parts += (_table(sheet, swatches) for sheet in section.tables)
  parts += _boxes(section.figures, 'box figure')
  if section.legend:
    items = (f'<li>{svg} {escaped(n)}</li>' for n, svg in swatches.items())
    parts.append(f'<ul class="legend">{"".join(items)}</ul>')
  if section.panels:
    kind = 'panels wide' if section.wide else 'panels'
    panels = '\n'.join(_boxes(section.panels, 'box'))
    parts.append(f'<div class="{kind}">{panels}</div>')
  for fold in section.folds:
    parts.append(
      f'<details>\n<summary>{escaped(fold.title)}</summary>\n'
      f'{_table(fold.sheet, swatches)}\n</details>'
    )
  return '\n'.join([*parts, '</section>'])


def _boxes(figures: Sequence[drawing.Figure], kind: str) -> list[str]:
  return [
    f'<div class="{kind}">{figure.svg(standalone=False)}</div>'
    for figure in figures
  ]


def _table(sheet: sheets.Sheet, swatches: Swatches) -> str:
  hints = sheet.hints or [''] * len(sheet.header)
  header = ''.join(
    _heading(name, hint, i >= sheet.left)
    for i, (name, hint) in enumerate(zip(sheet.header, hints, strict=True))
  )
  body = ''.join(
    '\n<tr>'
    + ''.join(_cell(c, i >= sheet.left, swatches) for i, c in enumerate(row))
    + '</tr>'
    for row in sheet.rows
  )
  return (
    '<div class="box"><table class="sortable">\n'
    f'<thead><tr>{header}</tr></thead>\n<tbody>{body}\n</tbody></table></div>'
  )


def _heading(name: str, hint: str, right: bool) -> str:
  side = ' class="right"' if right else ''
  small = f'<small>{_breakable(hint)}</small>' if hint else ''
  return f'<th scope="col"{side}><span>{_breakable(name)}</span>{small}</th>'


def _breakable(name: str) -> str:
  """A name that may be broken after its underscores."""
  head, *tail = name.split('_')
  return '_<wbr>'.join(map(escaped, (head, *tail)))


def _cell(cell: sheets.Cell, right: bool, swatches: Swatches) -> str:
  """A cell with class, key and colour."""
  classes = [cell.mark] if cell.mark in _MARKS else []
  if right:
    classes.append('right')
  if len(cell.text) > _LONG:
    classes.append('long')
  attributes = f' class="{" ".join(classes)}"' if classes else ''
  if cell.key is not None:
    attributes += f' data-key="{cell.key:.6g}"'
  if cell.tint:
    ink, share = ('0' if cell.tint > 0 else '1'), min(abs(cell.tint), 1) * 45
    attributes += (
      f' style="background:color-mix(in srgb,var(--ink-{ink}) {share:.0f}%,'
      'transparent)"'
    )
  swatch = f'{swatches[cell.text]} ' if cell.mark == 'submission' else ''
  return f'<td{attributes}>{swatch}{escaped(cell.text)}</td>'
