"""Leaderboard and times as Markdown for READMEs and as LaTeX for papers."""

from collections.abc import Callable
import os
import pathlib
import re

from scoring import result as result_lib
from scoring import sentences, sheets

_MARKDOWN = re.compile(r'([\\`*_{}\[\]<>|~#$&])')
_LATEX = {
  '\\': r'\textbackslash{}',
  '~': r'\textasciitilde{}',
  '^': r'\textasciicircum{}',
  '<': r'\textless{}',
  '>': r'\textgreater{}',
  '|': r'\textbar{}',
  '∞': r'$\infty$',
  '×': r'$\times$',
  '≤': r'$\leq$',
  '≥': r'$\geq$',
  '–': '--',
  '\u00a0': '~',
  '·': r'$\cdot$',
  **{sign: f'\\{sign}' for sign in '_&%#${}'},
}
_LATEX_SIGN = re.compile('|'.join(map(re.escape, _LATEX)))
_TABLES: dict[str, Callable[[result_lib.Result], sheets.Sheet]] = {
  'scores': sheets.scores,
  'times': sheets.times,
}


def write(
  result: result_lib.Result, directory: str | os.PathLike[str]
) -> list[pathlib.Path]:
  """Writes scores and times, each as .md and as .tex; returns their paths."""
  directory = pathlib.Path(directory)
  directory.mkdir(parents=True, exist_ok=True)
  paths = []
  for name, table in _TABLES.items():
    sheet = table(result)
    title, note = _caption(result, name)
    for suffix, text in (
      ('.md', _markdown_table(sheet, title, note)),
      ('.tex', _latex_table(sheet, title, note)),
    ):
      paths.append(directory / f'{name}{suffix}')
      paths[-1].write_text(text, encoding='utf-8')
  return paths


def markdown(result: result_lib.Result) -> str:
  """Both tables as Markdown (GitHub's dialect)."""
  return '\n'.join(
    _markdown_table(table(result), *_caption(result, name))
    for name, table in _TABLES.items()
  )


def latex(result: result_lib.Result) -> str:
  """Both tables as LaTeX; needs the packages booktabs and graphicx."""
  return '\n'.join(
    _latex_table(table(result), *_caption(result, name))
    for name, table in _TABLES.items()
  )


def _caption(result: result_lib.Result, name: str) -> tuple[str, str]:
  """A title, and how to read the numbers."""
  if name == 'scores':
    note = (
      'Intervals and ranks: 95 %, by a bootstrap over studies. Scores are '
      'relative to the submissions in this table.'
    )
    if result.reference is not None:
      note += (
        ' Speed-up: geometric mean over workloads, relative to '
        f'{result.reference}; ~: a bound stands for a target not reached.'
      )
    return sentences.title(result), note
  unit = 'seconds' if result.by == 'time' else 'steps'
  return (
    sentences.title(result).replace('Scores', f'Median {unit} to target', 1),
    'In brackets: too slow to count, or held back by the held-out rule. '
    '∞: not reached.',
  )


def _markdown_table(sheet: sheets.Sheet, title: str, note: str) -> str:
  def line(cells: list[str]) -> str:
    return f'| {" | ".join(cells)} |'

  hints = sheet.hints or [''] * len(sheet.header)
  names = [
    f'{_markdown(name)}<br>{_markdown(hint)}' if hint else _markdown(name)
    for name, hint in zip(sheet.header, hints, strict=True)
  ]
  rules = [':--' if i < sheet.left else '--:' for i in range(len(sheet.header))]
  rows = []
  for row in sheet.rows:
    texts = [_markdown(cell.text) for cell in row]
    rows.append(
      [
        f'**{text}**' if cell.mark == 'best' else text
        for text, cell in zip(texts, row, strict=True)
      ]
    )
  lines = [f'**{_markdown(title)}**', '', *map(line, [names, rules, *rows])]
  return '\n'.join([*lines, '', _markdown(note), ''])


def _latex_table(sheet: sheets.Sheet, title: str, note: str) -> str:
  texts = [list(map(_latex, sheet.header))]
  if sheet.hints:
    texts.append(list(map(_latex, sheet.hints)))
    texts = [[row[0], *map(_upwards, row[1:])] for row in texts]
  body = []
  for row in sheet.rows:
    body.append(
      [
        rf'\textbf{{{_latex(c.text)}}}' if c.mark == 'best' else _latex(c.text)
        for c in row
      ]
    )
  columns = 'l' * sheet.left + 'r' * (len(sheet.header) - sheet.left)
  lines = [
    '% Needs \\usepackage{booktabs} and \\usepackage{graphicx}.',
    r'\begin{table}',
    r'\centering',
    rf'\caption{{{_latex(title)}. {_latex(note)}}}',
    r'\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%',
    rf'\begin{{tabular}}{{{columns}}}',
    r'\toprule',
    *(' & '.join(cells) + r' \\' for cells in texts),
    r'\midrule',
    *(' & '.join(cells) + r' \\' for cells in body),
    r'\bottomrule',
    r'\end{tabular}}',
    r'\end{table}',
  ]
  return '\n'.join([*lines, ''])


def _upwards(text: str) -> str:
  return rf'\rotatebox{{90}}{{{text}}}'


def _markdown(text: str) -> str:
  """Text without meaning for Markdown or HTML."""
  return _MARKDOWN.sub(r'\\\1', text)


def _latex(text: str) -> str:
  """Text without meaning for LaTeX."""
  return _LATEX_SIGN.sub(lambda match: _LATEX[match[0]], text)
