"""Tables as Markdown and LaTeX."""

import pathlib
import re
import shutil
import subprocess

import pytest

import scoring
from scoring import publish, sentences
from tests.scoring import small_results


@pytest.fixture(scope='module')
def result(tmp_path_factory: pytest.TempPathFactory) -> scoring.Result:
  return small_results.ordinary(tmp_path_factory.mktemp('logs'))


def cells(line: str) -> list[str]:
  """Of a row in GitHub's Markdown: split where a bar is not escaped."""
  parts = re.split(r'(?<!\\)\|', line)[1:-1]
  return [re.sub(r'\\(.)', r'\1', part.strip()) for part in parts]


def test_markdown_holds_scores_and_times(result: scoring.Result):
  text = publish.markdown(result)
  rows = [cells(line) for line in text.splitlines() if line.startswith('|')]
  split = next(i for i, row in enumerate(rows) if row[0] == 'submission')
  scores, times = rows[2:split], rows[split + 2 :]
  assert rows[1][:3] == [':--', ':--', '--:']
  assert [(row[1], row[2].strip('*')) for row in scores] == [
    (row.submission, f'{row.score:.4f}') for row in result.scores.itertuples()
  ]
  assert all(len(row) == len(rows[0]) for row in scores)
  target = result.benchmark.row('mnist_resnet').goal.validation_target
  assert rows[split][1] == f'mnist_resnet<br>accuracy ≥\u00a0{target}'
  assert {row[0]: row[1:] for row in times} == {
    'fast_one': ['**20.0**', '∞', '**40.0**'],
    small_results.AWKWARD: ['30.0', '∞', '(1,300)'],
  }


def test_names_mean_nothing_to_markdown(result: scoring.Result):
  text = publish.markdown(result)
  assert r'a\<b\>\&"c"' in text
  assert re.search(r'(?<!\\)<(?!br>)', text) is None
  assert re.search(r'(?<!\\)[_{}#$]', text) is None


def test_latex_holds_scores_and_times(result: scoring.Result):
  text = publish.latex(result)
  scores, times = text.split(r'\end{table}')[:2]
  for row in result.scores.itertuples():
    assert f'{row.score:.4f}' in scores
  assert r'fast\_one & \textbf{20.0} & $\infty$ & \textbf{40.0} \\' in times
  target = result.benchmark.row('mnist_resnet').goal.validation_target
  assert rf'\rotatebox{{90}}{{accuracy $\geq$~{target}}}' in times
  assert r'a\textless{}b\textgreater{}\&"c"' in scores
  assert r'\_\{\{x\}\}\_\% \$\#' in scores
  for part in (scores, times):
    columns = re.search(r'\\begin\{tabular\}\{([lr]+)\}', part)[1]
    lines = [line for line in part.splitlines() if line.endswith(r'\\')]
    assert {len(re.split(r'(?<!\\)&', line)) for line in lines} == {
      len(columns)
    }
    bare = re.sub(r'\\[{}]', '', part)
    assert bare.count('{') == bare.count('}')


@pytest.mark.parametrize('sign', '\\_&%#${}~^<>|∞×≤≥–·')
def test_every_sign_is_escaped_once(sign: str, tmp_path: pathlib.Path):
  name = f'a{sign}b'
  result = small_results.of(tmp_path, {name: {'mnist_resnet': (9.0,)}})
  found = re.findall(r'1 & (a.*?b) & ', publish.latex(result))
  assert len(found) == 1
  commands = r'\\[a-z]+\{\}|\$\\[a-z]+\$|\\[_&%#${}]|--'
  assert re.fullmatch(f'a({commands})b', found[0])


def test_files_are_written(result: scoring.Result, tmp_path: pathlib.Path):
  paths = publish.write(result, tmp_path / 'new')
  assert [path.name for path in paths] == [
    'scores.md',
    'scores.tex',
    'times.md',
    'times.tex',
  ]
  texts = [path.read_text(encoding='utf-8') for path in paths]
  assert '\n'.join(texts[::2]) == publish.markdown(result)
  assert '\n'.join(texts[1::2]) == publish.latex(result)
  assert sentences.title(result) in texts[0]


@pytest.mark.skipif(
  shutil.which('pdflatex') is None, reason='needs pdflatex on the PATH'
)
def test_latex_compiles(result: scoring.Result, tmp_path: pathlib.Path):
  (tmp_path / 'paper.tex').write_text(
    '\\documentclass{article}\\usepackage{booktabs,graphicx}\n'
    f'\\begin{{document}}{publish.latex(result)}\\end{{document}}\n',
    encoding='utf-8',
  )
  subprocess.run(
    ['pdflatex', '-halt-on-error', '-interaction=batchmode', 'paper.tex'],
    cwd=tmp_path,
    check=True,
    capture_output=True,
  )
