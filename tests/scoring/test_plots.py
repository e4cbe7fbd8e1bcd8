"""Figures of small competitions: what is drawn, and where."""

from collections.abc import Callable, Iterator
import math
import pathlib
from xml.etree import ElementTree

import numpy as np
import pytest
from reportlab.pdfbase import ttfonts

import scoring
from scoring import drawing, plots, shapes
from scoring.plots import axes, durations, style, training
from tests.scoring import small_results

INF = math.inf
NAN = math.nan
FIGURES = (
  plots.scores,
  plots.profiles,
  plots.times,
  plots.curves,
  plots.leave_one_out,
)


@pytest.fixture(scope='module')
def result(tmp_path_factory: pytest.TempPathFactory) -> scoring.Result:
  return small_results.ordinary(tmp_path_factory.mktemp('logs'))


def all_shapes(items: object) -> Iterator[shapes.Shape]:
  for item in items:
    yield item
    if isinstance(item, shapes.Moved | shapes.Clip):
      yield from all_shapes(item.items)


def texts(figure: drawing.Figure) -> list[str]:
  return [
    item.text
    for item in all_shapes(figure.items)
    if isinstance(item, shapes.Text)
  ]


def titled(figure: drawing.Figure, start: str) -> list[shapes.Shape]:
  return [
    item
    for item in all_shapes(figure.items)
    if getattr(item, 'title', '').startswith(start)
    and not isinstance(item, shapes.Text)
  ]


def check(figure: drawing.Figure) -> None:
  """A figure that is well-formed, finite, and inside of its frame."""
  root = ElementTree.fromstring(figure.svg())
  for element in root.iter():
    for name, value in element.attrib.items():
      if name not in ('aria-label', 'class'):
        assert 'nan' not in value, (name, value)
        assert 'inf' not in value, (name, value)
  assert figure.pdf().startswith(b'%PDF')
  assert figure.width > 0
  assert figure.height > 0
  for item in all_shapes(figure.items):
    if isinstance(item, shapes.Text) and not item.upwards:
      assert -1 <= item.x <= figure.width
      assert 0 <= item.y <= figure.height


@pytest.mark.parametrize('draw', FIGURES)
def test_figures_are_well_formed(
  result: scoring.Result, draw: Callable[..., drawing.Figure]
):
  figure = draw(result)
  check(figure)
  assert figure.name in [
    text for text in texts(figure) if 'mini · self tuning' in text
  ]


def labelled(figure: drawing.Figure, *labels: str) -> list[shapes.Text]:
  """The numbers of axes, by what they say."""
  return [
    next(
      item
      for item in figure.items
      if isinstance(item, shapes.Text) and item.text == label
    )
    for label in labels
  ]


@pytest.mark.parametrize('draw', FIGURES)
def test_all_letters_are_in_the_fonts_of_pdf_files(
  result: scoring.Result, draw: Callable[..., drawing.Figure]
):
  known = ttfonts.TTFont('Vera', 'Vera.ttf').face.charToGlyph
  for text in texts(draw(result)):
    assert [letter for letter in text if ord(letter) not in known] == []


def test_changes_without_a_workload_are_told(result: scoring.Result):
  said = texts(plots.leave_one_out(result))
  for row in result.leave_one_out.itertuples():
    rank = f' ({row.rank})' if row.rank_change else ''
    assert f'{row.change:+.3f}{rank}' in said


def test_profiles_have_their_corners(result: scoring.Result):
  figure = plots.profiles(result)
  one, four = (text.x for text in labelled(figure, '1×', '4×'))
  none, full = (text.y for text in labelled(figure, '0%', '100%'))
  (line,) = titled(figure, small_results.AWKWARD)
  x_N, y_N = line.points_Nx2.T
  baseline = 3.5  # Of a number, below the middle of its line.
  height_N = (y_N + baseline - none) / (full - none)
  ratio_N = 1 + 3 * (x_N - one) / (four - one)
  # Reached: one workload of three, in 30 s; the fastest took 20 s.
  np.testing.assert_allclose(ratio_N, [1, 1.5, 1.5, 4, 4])
  np.testing.assert_allclose(height_N, [0, 0, 1 / 3, 1 / 3, 1 / 3], atol=1e-9)


def test_legends_list_submissions_best_first(result: scoring.Result):
  said = texts(plots.profiles(result))
  order = [said.index(name) for name in result.scores['submission']]
  assert order == sorted(order)
  for row in result.scores.itertuples():
    assert said[said.index(row.submission) - 1] == f'{row.score:.4f}'


def test_scores_have_whiskers_where_the_interval_is(result: scoring.Result):
  figure = plots.scores(result)
  zero, one = (text.x for text in labelled(figure, '0', '1'))
  for row in result.scores.itertuples():
    (dot,) = titled(figure, row.submission)
    assert (dot.x - zero) / (one - zero) == pytest.approx(row.score)
    whisker = next(
      item.points_Nx2
      for item in figure.items
      if isinstance(item, shapes.Line)
      and (item.points_Nx2[:, 1] == dot.y).all()
    )
    np.testing.assert_allclose(
      (whisker[:, 0] - zero) / (one - zero), [row.low, row.high], atol=1e-9
    )


@pytest.mark.parametrize(
  'times, said',
  [
    ((20.0,), 'No intervals: one study only'),
    ((20.0, 30.0), 'Whiskers: 95 % intervals'),
  ],
)
def test_scores_say_whether_there_are_whiskers(
  times: tuple[float, ...], said: str, tmp_path: pathlib.Path
):
  result = small_results.of(tmp_path, {'sgd': {'mnist_resnet': times}})
  assert said in texts(plots.scores(result))


def test_every_study_is_a_point(result: scoring.Result):
  panels = dict(
    zip(result.columns.names, durations.panels(result), strict=True)
  )
  panel = panels['shakespeare_lm']
  dots = [
    item for item in all_shapes(panel.items) if isinstance(item, shapes.Circle)
  ]
  assert len(dots) == 6
  hollow = [dot.title for dot in dots if dot.hollow]
  assert hollow == [
    f'{name}, study 3: not reached' for name in result.scores['submission']
  ]
  by_title = {dot.title.split(': ')[-1]: dot for dot in dots if not dot.hollow}
  assert sorted(by_title) == ['1,234.0 s', '1,300.0 s', '38.0 s', '40.0 s']
  # On a logarithmic axis equal ratios are equally far apart.
  x = {float(k[:-2].replace(',', '')): d.x for k, d in by_title.items()}
  slope = (x[1300] - x[38]) / math.log(1300 / 38)
  assert x[40] - x[38] == pytest.approx(slope * math.log(40 / 38))
  assert max(x.values()) < min(d.x for d in dots if d.hollow)


def test_brackets_lead_from_the_last_miss_to_the_hit(result: scoring.Result):
  panel = durations.panels(result)[0]
  brackets = [
    item
    for item in all_shapes(panel.items)
    if isinstance(item, shapes.Line) and len(item.points_Nx2) == 9
  ]
  assert len(brackets) == 2  # One a submission, of three studies.
  lengths = [
    [line.points_Nx2[i + 1, 0] - line.points_Nx2[i, 0] for i in (0, 3, 6)]
    for line in brackets
  ]
  # Every last miss was at two tenths of the time: of one length on a log axis.
  np.testing.assert_allclose(lengths, lengths[0][0])
  assert lengths[0][0] > 10


def test_medians_that_do_not_count_are_short(result: scoring.Result):
  panels = dict(
    zip(result.columns.names, durations.panels(result), strict=True)
  )
  heights = {}
  for workload in ('mnist_resnet', 'shakespeare_lm'):
    for tick in titled(panels[workload], ''):
      if ', median: ' in getattr(tick, 'title', ''):
        heights[workload, tick.title.split(',')[0]] = np.ptp(
          tick.points_Nx2[:, 1]
        )
  slow = small_results.AWKWARD
  assert heights['shakespeare_lm', slow] < heights['mnist_resnet', slow]
  assert (
    heights['shakespeare_lm', 'fast_one']
    == (heights['mnist_resnet', 'fast_one'])
  )


def test_curves_pass_through_evaluations(result: scoring.Result):
  panel = training.panels(result)[0]
  (clip,) = [i for i in panel.items if isinstance(i, shapes.Clip)]
  target, *lines = [i for i in clip.items if isinstance(i, shapes.Line)]
  assert {line.title for line in lines if line.opacity > 0.5} == {
    'fast_one',
    small_results.AWKWARD,
  }
  height = target.points_Nx2[0, 1]
  dots = [i for i in clip.items if isinstance(i, shapes.Circle)]
  assert {dot.y for dot in dots} == {height}
  assert len(dots) == 6
  strong = [line for line in lines if line.opacity > 0.5]
  for line in strong:
    known = line.points_Nx2[np.isfinite(line.points_Nx2).all(axis=1)]
    own = [dot.x for dot in dots if dot.title.startswith(line.title)]
    ends = [x for x, y in known if y < height]  # Above the target: reached it.
    assert sorted(ends) == pytest.approx(sorted(own))


@pytest.mark.parametrize(('misses', 'faint'), [(8, 8), (training.MOST, 0)])
def test_trials_that_do_not_count_are_shown_if_they_are_few(
  tmp_path: pathlib.Path, misses: int, faint: int
):
  studies = {'mnist_resnet': [INF] * misses + [10.0]}
  result = small_results.of(tmp_path, {'sgd': studies})
  (clip,) = [
    item
    for item in training.panels(result)[0].items
    if isinstance(item, shapes.Clip)
  ]
  strokes = {True: 0, False: 0}
  for line in clip.items[1:]:
    if isinstance(line, shapes.Line):
      strokes[line.opacity > 0.5] += len(line.runs)
  assert strokes == {True: 1, False: faint}


def test_panels_are_of_their_workloads(tmp_path: pathlib.Path):
  # The first submission lacks the first workload.
  result = small_results.of(
    tmp_path,
    {
      'adam': {'shakespeare_lm': (40.0,)},
      'sgd': {'mnist_resnet': (20.0, 22.0), 'shakespeare_lm': (30.0,)},
    },
  )
  panels = dict(zip(result.columns.names, training.panels(result), strict=True))
  for workload, number in (('mnist_resnet', 2), ('shakespeare_lm', 2)):
    (clip,) = (i for i in panels[workload].items if isinstance(i, shapes.Clip))
    _, *lines = (i for i in clip.items if isinstance(i, shapes.Line))
    assert sum(len(line.runs) for line in lines) == number
  ends = result.curves.groupby('workload', observed=True)['time'].max()
  assert ends.to_dict() == {'mnist_resnet': 22.0, 'shakespeare_lm': 40.0}


CASES = {
  'one submission, one workload': (
    {'sgd': {'mnist_resnet': (20.0,)}},
    {'workloads': ['mnist_resnet']},
  ),
  'nothing reached': (
    {name: {'mnist_resnet': (INF, INF)} for name in ('sgd', 'adam')},
    {},
  ),
  'nothing but NaN': (
    {'sgd': {'mnist_resnet': (INF,), 'shakespeare_lm': (INF,)}},
    {'values': (NAN, NAN)},
  ),
  'infinite and huge values': (
    {'sgd': {'shakespeare_lm': (30.0, INF)}},
    {'values': (INF, 1e300, 3.0, -INF)},
  ),
  'awkward names': (
    {
      name: {'mnist_resnet': (9.0, 8.0)}
      for name in (small_results.AWKWARD, small_results.LONG, 'Ω模型')
    },
    {},
  ),
  'thirty submissions': (
    {f's{i}': {'mnist_resnet': (10.0 + i, INF)} for i in range(30)},
    {},
  ),
  'by steps': (
    {'sgd': {'mnist_resnet': (20.0, 30.0, INF)}},
    {'by': 'steps'},
  ),
}


@pytest.mark.parametrize('case', CASES)
def test_figures_of_unusual_competitions(case: str, tmp_path: pathlib.Path):
  times, options = CASES[case]
  result = small_results.of(tmp_path, times, **options)
  for draw in FIGURES:
    figure = draw(result)
    check(figure)
    if case == 'by steps':
      assert any('by steps' in text for text in texts(figure))


def test_looks_differ_and_are_the_same_everywhere(tmp_path: pathlib.Path):
  result = small_results.of(tmp_path, CASES['thirty submissions'][0])
  looks = style.looks(result)
  assert list(looks) == list(result.scores['submission'])
  assert len(set(looks.values())) == 30


def test_all_figures_are_written(
  result: scoring.Result, tmp_path: pathlib.Path
):
  paths = plots.write(result, tmp_path / 'new')
  names = ('scores', 'profiles', 'times', 'curves', 'leave_one_out')
  assert [path.name for path in paths] == [
    f'{name}{suffix}' for name in names for suffix in ('.svg', '.pdf')
  ]
  assert paths[2].read_text(encoding='utf-8') == plots.profiles(result).svg()
  assert paths[3].read_bytes() == plots.profiles(result).pdf()


@pytest.mark.parametrize(
  'low, high, log, expected',
  [
    (0, 1, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    (0.70, 0.78, False, [0.7, 0.72, 0.74, 0.76, 0.78]),
    (1, 1000, True, [1, 5, 20, 100, 500]),
    (1, 1.2, True, [1, 1.05, 1.1, 1.15, 1.2]),
  ],
)
def test_ticks_are_round(
  low: float, high: float, log: bool, expected: list[float]
):
  scale = axes.Scale(low=low, high=high, start=0, end=1, log=log)
  assert scale.ticks(5) == pytest.approx(expected)


@pytest.mark.parametrize(
  'low, high, log, expected',
  [
    (0, 7300, False, ['0 h', '0.5 h', '1 h', '1.5 h', '2 h']),
    (0, 90, False, ['0 s', '20 s', '40 s', '60 s', '80 s']),
    (100, 30_000, True, ['2 min', '5 min', '20 min', '1 h', '5 h']),
  ],
)
def test_ticks_of_times_have_units(
  low: float, high: float, log: bool, expected: list[str]
):
  scale = axes.Scale(low=low, high=high, start=0, end=1, log=log)
  assert [label for _, label in axes.amounts(scale, 5, 'time')] == expected


def test_ticks_of_steps_are_short():
  scale = axes.Scale(low=0, high=40_000, start=0, end=1)
  labels = [label for _, label in axes.amounts(scale, 4, 'step')]
  assert labels == ['0', '10k', '20k', '30k', '40k']


def test_scales_keep_to_the_page():
  scale = axes.Scale(low=1, high=100, start=0, end=10, log=True)
  values = np.array([1, 10, 100, 0, -5, INF, NAN, 1e300])
  np.testing.assert_allclose(scale(values), [0, 5, 10, -10, -10, NAN, NAN, 20])
