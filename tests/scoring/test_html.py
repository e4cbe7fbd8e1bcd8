"""The HTML report: parsed, and opened in a browser where there is one."""

from collections.abc import Mapping, Sequence
import dataclasses
from html import parser
import json
import math
import pathlib
import re
import shutil
import subprocess

import pytest

import scoring
from scoring import cells, html, plots
from tests.scoring import logs_on_disk, small_results

VOID = {'meta', 'link', 'br', 'wbr', 'img', 'input', 'hr'}
CHROMIUM = next(
  filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'chrome'))),
  None,
)
browser = pytest.mark.skipif(
  CHROMIUM is None, reason='needs chromium on the PATH'
)


class Page(parser.HTMLParser):
  """Elements, attributes, and the cells of tables; refuses open elements."""

  def __init__(self, text: str):
    super().__init__()
    self.open: list[str] = []
    self.attributes: list[tuple[str, str, str]] = []
    self.tables: list[list[list[str]]] = []
    self.texts = ''
    self.feed(text)
    self.close()
    assert not self.open

  def handle_starttag(
    self, tag: str, attrs: Sequence[tuple[str, str | None]]
  ) -> None:
    names = [name for name, _ in attrs]
    assert len(names) == len(set(names)), (tag, names)
    self.attributes += [(tag, name, value or '') for name, value in attrs]
    if tag not in VOID:
      self.open.append(tag)
    if tag == 'table':
      self.tables.append([])
    elif tag == 'tr':
      self.tables[-1].append([])
    elif tag in ('td', 'th'):
      self.tables[-1][-1].append('')

  def handle_startendtag(
    self, tag: str, attrs: Sequence[tuple[str, str | None]]
  ) -> None:
    assert tag in ('path', 'circle', 'rect'), tag
    self.attributes += [(tag, name, value or '') for name, value in attrs]

  def handle_endtag(self, tag: str) -> None:
    assert self.open.pop() == tag

  def handle_data(self, data: str) -> None:
    if 'script' in self.open or 'style' in self.open:
      return
    self.texts += data
    if {'td', 'th'} & set(self.open) and 'title' not in self.open:
      self.tables[-1][-1][-1] += data.strip()


def table(page: Page, *header: str) -> list[dict[str, str]]:
  """The rows of the first table whose columns start with some names."""
  names, *rows = next(
    t for t in page.tables if tuple(t[0][: len(header)]) == header
  )
  return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.fixture(scope='module')
def result(tmp_path_factory: pytest.TempPathFactory) -> scoring.Result:
  return small_results.ordinary(tmp_path_factory.mktemp('logs'))


@pytest.fixture(scope='module')
def text(result: scoring.Result) -> str:
  return html.render(result)


@pytest.fixture(scope='module')
def page(text: str) -> Page:
  return Page(text)


def test_page_needs_nothing_else(page: Page, text: str):
  links = [
    value
    for _, name, value in page.attributes
    if name in ('src', 'href', 'srcset', 'action', 'data', 'xlink:href')
  ]
  assert all(link.startswith('#') or link == 'data:,' for link in links)
  assert not re.search(r'https?:|url\(|@import|fetch\(', text)
  policy = next(
    value
    for tag, name, value in page.attributes
    if (tag, name) == ('meta', 'content') and 'default-src' in value
  )
  assert "default-src 'none'" in policy


def test_identifiers_are_unique_and_linked(page: Page):
  ids = [value for _, name, value in page.attributes if name == 'id']
  assert len(ids) == len(set(ids))
  anchors = {v[1:] for _, name, v in page.attributes if name == 'href'} - {
    'ata:,'
  }
  assert anchors <= set(ids)
  assert len(anchors) >= 9
  labels = {v for _, n, v in page.attributes if n == 'aria-labelledby'}
  assert labels <= set(ids)


def test_leaderboard_is_that_of_the_result(page: Page, result: scoring.Result):
  rows = table(page, 'rank', 'submission', 'score')
  assert [(r['rank'], r['submission'], r['score']) for r in rows] == [
    (str(r.rank), r.submission, f'{r.score:.4f}')
    for r in result.scores.itertuples()
  ]
  for row, score in zip(rows, result.scores.itertuples(), strict=True):
    assert row['95 % interval'] == f'{score.low:.3f}–{score.high:.3f}'
    assert row['speed-up'].endswith(f'{score.speedup:.2f}×')


def test_tables_of_the_page(page: Page, result: scoring.Result):
  names = list(result.scores['submission'])
  times = page.tables[2]
  assert [row[0] for row in times[1:]] == names
  assert times[1][1:] == ['20.0', '∞', '40.0']
  assert times[2][1:] == ['30.0', '∞', '(1,300)']
  (neighbour,) = table(page, 'better', 'worse')
  assert [neighbour['better'], neighbour['worse']] == names
  changes = table(page, 'submission', 'mnist_resnet')
  counts = table(page, 'submission', 'workload', 'median', 'lies in')
  assert len(counts) == len(result.cells)
  cell = next(
    c
    for c in counts
    if (c['submission'], c['workload']) == ('fast_one', 'shakespeare_lm')
  )
  assert cell['lies in'] == '(8.0, 40.0]'
  assert [cell[k] for k in ('studies', 'trials', 'reached', 'missed')] == [
    '3',
    '3',
    '2',
    '1',
  ]
  assert changes


def test_winning_points_have_a_column_each(page: Page):
  rows = table(page, 'workload', 'study', 'trial')
  assert len(rows) == 5
  assert {row['learning_rate'] for row in rows} == {'0.0012346'}
  assert {row['note'] for row in rows} == {'<i>'}


@pytest.mark.parametrize('point', ['[1, 2]', 'null', '7'])
def test_points_without_names_are_shown(point: str, result: scoring.Result):
  studies = [
    dataclasses.replace(study, hyperparameters=point)
    for study in result.rows.studies
  ]
  rows = dataclasses.replace(result.rows, studies=studies)
  page = Page(html.render(dataclasses.replace(result, rows=rows)))
  (row, *_) = table(page, 'workload', 'study', 'trial', 'hyperparameters')
  assert row['hyperparameters'] == str(json.loads(point))


def test_medians_of_the_published_scorer(result: scoring.Result):
  row = {'submission': 'fast_one', 'workload': 'mnist_resnet'}
  times = {'as_written': 20.0, 'as_published': 22.0, 'low': 20.0, 'high': 22.0}
  never = dict.fromkeys(times, math.inf)
  found = [
    cells.Difference(**row, **values) for values in (times, times | never)
  ]
  rows = dataclasses.replace(result.rows, differences=found)
  page = Page(html.render(dataclasses.replace(result, rows=rows)))
  rows = table(page, 'submission', 'workload', 'as written')
  assert [r['change'] for r in rows] == ['+10.00%', '–']
  assert [r['at most'] for r in rows] == ['22.0', '∞']


def test_published_submissions_take_part(tmp_path: pathlib.Path):
  logs_on_disk.write_trial(
    tmp_path,
    submission='mine',
    workload='ogbg',
    metric='mean_average_precision',
    evaluations=[(60.0, 0.1), (2500.0, 0.3)],
  )
  page = Page(
    html.render(scoring.score(tmp_path, 'algoperf-0.5', among='algoperf-0.5'))
  )
  names = [row['submission'] for row in table(page, 'rank', 'submission')]
  assert len(names) == 12
  assert {'mine', 'shampoo_submission'} <= set(names)
  assert 'Among the published results of algoperf-0.5' in page.texts
  assert 'Other hardware:' in page.texts


def test_names_are_escaped(text: str, page: Page):
  assert small_results.AWKWARD in page.texts
  assert '<b>' not in text
  assert '<i>' not in text


def test_what_was_left_out_is_told(page: Page, result: scoring.Result):
  assert len(result.warnings)
  for kind, rows in result.warnings.groupby('kind'):
    assert f'{kind} ({len(rows)})' in page.texts
  for message in result.warnings['message'].unique():
    assert message in page.texts


def test_rules_are_said_in_words(tmp_path: pathlib.Path, page: Page):
  assert 'took least to its target' in page.texts
  assert 'integrated exactly' in page.texts
  published = small_results.of(
    tmp_path, {'sgd': {'mnist_resnet': (9.0,)}}, as_published=True
  )
  said = Page(html.render(published)).texts
  assert 'fewest evaluations' in said
  assert 'trapezoid' in said
  assert 'as published' in said
  assert 'No intervals' in said


def test_figures_have_names(page: Page, result: scoring.Result):
  named = [v for tag, n, v in page.attributes if (tag, n) == ('svg', 'role')]
  labels = [
    v for tag, n, v in page.attributes if (tag, n) == ('svg', 'aria-label')
  ]
  assert len(named) == len(labels)
  assert plots.profiles(result).name in labels
  for workload in result.columns.names:
    assert f'Times to the target of {workload}' in labels


@pytest.mark.parametrize(
  'times',
  [
    {'sgd': {'mnist_resnet': (math.inf,)}},
    {small_results.LONG: {'mnist_resnet': (3.0, 4.0)}},
    {f's{i}': {'mnist_resnet': (3.0 + i,)} for i in range(30)},
  ],
)
def test_reports_of_unusual_competitions(
  times: Mapping[str, Mapping[str, Sequence[float]]], tmp_path: pathlib.Path
):
  unusual = small_results.of(tmp_path / 'logs', times, by='steps')
  path = html.write(unusual, tmp_path / 'new' / 'report.html')
  rows = table(Page(path.read_text(encoding='utf-8')), 'rank', 'submission')
  assert sorted(row['submission'] for row in rows) == sorted(times)


def opened(path: pathlib.Path) -> tuple[str, list[str]]:
  """The document after its scripts ran, and what the console said."""
  run = subprocess.run(
    [
      CHROMIUM,
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--enable-logging=stderr',
      '--dump-dom',
      '--window-size=500,900',
      f'--user-data-dir={path.parent / "profile"}',
      path.as_uri(),
    ],
    capture_output=True,
    text=True,
    timeout=120,
    check=True,
  )
  lines = run.stderr.splitlines()
  return run.stdout, [line for line in lines if ':CONSOLE' in line]


@browser
def test_browser_finds_no_fault(
  text: str, result: scoring.Result, tmp_path: pathlib.Path
):
  path = tmp_path / 'report.html'
  path.write_text(text, encoding='utf-8')
  document, console = opened(path)
  assert console == []
  rows = table(Page(document), 'rank', 'submission', 'score')
  assert [float(row['score']) for row in rows] == [
    pytest.approx(score, abs=5e-5) for score in result.scores['score']
  ]


@browser
def test_browser_refuses_what_comes_from_outside(
  text: str, tmp_path: pathlib.Path
):
  """That the console would say so if the report asked for anything."""
  path = tmp_path / 'report.html'
  image = '<img src="http://127.0.0.1:9/x.png">'
  path.write_text(text.replace('<main>', f'<main>{image}'), encoding='utf-8')
  _, console = opened(path)
  assert any('Content Security Policy' in line for line in console)


CLICKS = """
<script>
const columns = [...document.querySelectorAll('#times thead th button')];
const column = columns.find((b) => b.textContent.includes('shakespeare'));
const names = () => [...document.querySelectorAll('#times tbody tr')].map(
  (row) => row.cells[0].textContent.trim()).join('|');
const said = [];
for (let i = 0; i < 2; i++) {
  column.click();
  said.push(column.parentElement.ariaSort, names());
}
document.getElementById('theme').click();
said.push(document.documentElement.dataset.theme);
said.push(document.documentElement.scrollWidth <= innerWidth);
document.body.dataset.said = JSON.stringify(said);
</script>
"""


@browser
def test_tables_sort_with_infinite_times_last(tmp_path: pathlib.Path):
  times = {'b': (9.0,), 'c': (math.inf,), 'a': (1000.0,), 'd': (30.0,)}
  result = small_results.of(
    tmp_path / 'logs',
    {name: {'shakespeare_lm': values} for name, values in times.items()},
  )
  path = tmp_path / 'report.html'
  text = html.render(result).replace('</body>', f'{CLICKS}</body>')
  path.write_text(text, encoding='utf-8')
  document, console = opened(path)
  assert console == []
  page = Page(document)
  (said,) = [v for _, name, v in page.attributes if name == 'data-said']
  assert said == ('["ascending","b|d|a|c","descending","a|d|b|c","dark",true]')
