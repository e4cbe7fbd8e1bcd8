"""The bootstrap and what follows from it, against enumeration and by hand."""

from collections.abc import Sequence
import dataclasses
import itertools
import math
import statistics as stdlib
import warnings

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from algoperf import spec
from scoring import bootstrap, intervals, profiles, question, rows, statistics
from tests import scripts

INF, NAN = math.inf, math.nan
# Two base workloads, the first of which has a held-out variant.
COLUMNS = question.Columns.of(('x', 'y'), {'z': 'x'})
SCORE_COLUMNS = rows.names(statistics.Score)[:7]
VALUE = st.sampled_from([1.0, 2.0, 3.5, 4.0, 4.5, 8.0, 17.0, INF])


def law(values: list[float]) -> dict[float, float]:
  """Chance of each median of a resample, by going through all resamples."""
  draws = list(itertools.product(values, repeat=len(values)))
  chances: dict[float, float] = {}
  for draw in draws:
    median = stdlib.median(draw)
    chances[median] = chances.get(median, 0.0) + 1 / len(draws)
  return chances


@st.composite
def competitions(draw: st.DrawFn) -> np.ndarray:
  """Values of studies, S x 3 x K; submissions may have fewer than K studies."""
  submissions = draw(st.integers(1, 4))
  studies = draw(st.integers(1, 5))
  cells = st.lists(VALUE, min_size=3 * studies, max_size=3 * studies)
  values = np.array([draw(cells) for _ in range(submissions)])
  values = values.reshape(submissions, 3, studies)
  for row in values:
    row[:, draw(st.integers(1, studies)) :] = NAN
  return values


def resample(
  values: np.ndarray, resamples: int = 100, seed: int = 0
) -> bootstrap.Bootstrap:
  """Resamples; any warning is an error."""
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    return bootstrap.resample(
      values, COLUMNS, 4.0, resamples=resamples, seed=seed
    )


def scores(
  draws: bootstrap.Bootstrap, submissions: Sequence[str]
) -> pd.DataFrame:
  return rows.frame(
    statistics.Score, statistics.scores(draws, submissions), SCORE_COLUMNS
  )


def pairs(
  draws: bootstrap.Bootstrap, submissions: Sequence[str]
) -> pd.DataFrame:
  return rows.frame(statistics.Pair, statistics.pairs(draws, submissions))


def left_out(
  medians: dict[str, list[float]], columns: question.Columns
) -> pd.DataFrame:
  """Of submissions a and b, as many as there are medians of."""
  medians_SxW = np.array(list(medians.values())).T
  found = statistics.leave_one_out(
    ['a', 'b'][: len(medians_SxW)], medians_SxW, columns, 4.0
  )
  return rows.frame(statistics.LeftOut, found)


def names(draws: bootstrap.Bootstrap) -> list[str]:
  return [chr(ord('a') + i) for i in range(len(draws.scores_S))]


def smooth(submissions: int, studies: int, spread: float = 0.1) -> np.ndarray:
  """Lognormal values without infinite ones, slower from row to row."""
  generator = np.random.default_rng(5)
  noise = generator.normal(size=(submissions, 3, studies))
  return np.exp(0.3 * np.arange(submissions)[:, None, None] + spread * noise)


@pytest.mark.parametrize('studies', range(1, 7))
def test_ranks_of_medians_have_the_law_of_resampling(studies: int):
  low_M, high_M, chances_M = bootstrap.median_ranks(studies)
  chances = dict.fromkeys(itertools.product(range(studies), repeat=2), 0.0)
  for draw in itertools.product(range(studies), repeat=studies):
    ranks = sorted(draw)
    middle = ranks[(studies - 1) // 2], ranks[studies // 2]
    chances[middle] += studies**-studies
  for low, high, chance in zip(low_M, high_M, chances_M, strict=True):
    assert chances.pop((low, high)) == pytest.approx(chance, abs=1e-12)
  assert not any(chances.values())


@pytest.mark.parametrize('studies', [2, 15, 16, 40])
def test_chances_of_ranks_sum_to_one(studies: int):
  assert bootstrap.median_ranks(studies)[2].sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
  'values',
  [[3.0, 1.0, 2.0], [1.0, 2.0, 2.0, INF], [5.0, INF, 1.0, 4.0, 2.0]],
)
def test_medians_are_drawn_as_by_resampling(values: list[float]):
  draws = resample(np.array([[values] * 3]), resamples=20_000)
  chances = law(values)
  for column in range(3):
    found, counts = np.unique(
      draws.medians_RxSxW[:, 0, column], return_counts=True
    )
    assert set(found) <= set(chances)
    expected = [20_000 * chances[value] for value in found]
    # A right program fails once in a million seeds; the seed is fixed.
    assert stats.chisquare(counts, expected).pvalue > 1e-6


def test_cells_are_resampled_independently():
  draws = resample(smooth(2, 5), resamples=20_000)
  medians = np.log(draws.medians_RxSxW.reshape(20_000, -1))
  correlations = np.corrcoef(medians.T) - np.eye(6)
  assert np.abs(correlations).max() < 5 / math.sqrt(20_000)


@settings(deadline=None, max_examples=60)
@given(competitions())
def test_scores_are_those_of_medians(values: np.ndarray):
  draws = resample(values)
  medians = np.array(
    [
      [stdlib.median(v for v in cell if not math.isnan(v)) for cell in row]
      for row in values
    ]
  )
  ratios = profiles.ratio_array(medians, COLUMNS, 4.0)
  scores = profiles.score_array(ratios, 4.0)
  assert draws.medians_SxW.tolist() == medians.tolist()
  assert draws.scores_S.tolist() == scores.tolist()
  assert np.isfinite(draws.scores_RxS).all()
  assert ((draws.scores_RxS >= 0) & (draws.scores_RxS <= 1 + 1e-12)).all()


@settings(deadline=None, max_examples=60)
@given(competitions())
def test_intervals_hold_what_was_observed(values: np.ndarray):
  draws = resample(values)
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    found = [
      (intervals.times(draws), draws.medians_SxW, draws.studies_SxW),
      (
        intervals.ratios(draws),
        draws.ratios_SxB,
        draws.studies_SxW[:, :2],
      ),
      (intervals.scores(draws), draws.scores_S, draws.studies_S),
      (
        intervals.ranks(draws),
        profiles.ranks(draws.scores_S),
        draws.studies_S,
      ),
    ]
    statistics.pairs(draws, names(draws))
    statistics.speedups(draws, 0, np.full(3, 20.0))
    statistics.speedups(draws, 0, np.full(3, INF))
  for interval, observed, studies in found:
    known = studies > 1
    assert (interval.low[known] <= observed[known]).all()
    assert (observed[known] <= interval.high[known]).all()
    assert np.isnan(interval.low[~known]).all()
    assert np.isnan(interval.high[~known]).all()


@settings(deadline=None, max_examples=40)
@given(competitions(), st.integers(0, 2), st.sampled_from([0.25, 2.0, 64.0]))
def test_the_unit_of_a_column_does_not_matter(
  values: np.ndarray, column: int, factor: float
):
  scaled = values.copy()
  scaled[:, column] *= factor
  before, after = resample(values), resample(scaled)
  pd.testing.assert_frame_equal(
    scores(before, names(before)), scores(after, names(after))
  )


@settings(deadline=None, max_examples=40)
@given(competitions(), st.randoms(use_true_random=False))
def test_the_order_of_submissions_does_not_matter(
  values: np.ndarray, random: np.random.Generator
):
  draws = resample(values)
  order = list(range(len(values)))
  random.shuffle(order)
  fields = {
    field.name: getattr(draws, field.name).take(
      order, axis=1 if 'R' in field.name else 0
    )
    for field in dataclasses.fields(draws)
    if field.name != 'columns'
  }
  moved = dataclasses.replace(draws, **fields)
  here = names(draws)
  there = [here[i] for i in order]
  for table in (scores, pairs):
    pd.testing.assert_frame_equal(table(draws, here), table(moved, there))


def test_a_seed_is_repeated_and_another_differs():
  values = smooth(3, 5)
  scores = resample(values, seed=1).scores_RxS
  assert (scores == resample(values, seed=1).scores_RxS).all()
  assert (scores != resample(values, seed=2).scores_RxS).any()


def test_no_resamples_are_refused():
  with pytest.raises(spec.UsageError, match='resamples=0 must be 1 or more'):
    resample(smooth(2, 3), resamples=0)


@pytest.mark.parametrize('studies', [2, 3, 4, 5, 6])
def test_intervals_of_times_are_percentiles_of_the_law(studies: int):
  values = np.random.default_rng(studies).permutation(
    [1.0, 2.0, 5.0, 11.0, 23.0, INF][-studies:]
  )
  interval = intervals.times(resample(np.array([[values] * 3])))
  quantile = 1.959963984540054 / (1 - 0.5 ** (studies - 1))
  share = stats.norm.sf(quantile)
  chances = sorted(law(list(values)).items())
  below = np.cumsum([chance for _, chance in chances])
  low = next(v for (v, _), c in zip(chances, below, strict=True) if c > share)
  high = next(
    v for (v, _), c in zip(chances, below, strict=True) if c > 1 - share - 1e-12
  )
  assert interval.low.tolist() == [[low] * 3]
  assert interval.high.tolist() == [[high] * 3]


def test_intervals_of_times_span_three_and_five_studies():
  for studies in (3, 5):
    values = smooth(2, studies)
    interval = intervals.times(resample(values))
    assert (interval.low == values.min(axis=-1)).all()
    assert (interval.high == values.max(axis=-1)).all()


def test_one_study_gives_scores_but_no_intervals():
  draws = resample(np.array([[[1.0]] * 3, [[2.0]] * 3]))
  frame = scores(draws, ['a', 'b'])
  assert frame['score'].tolist() == pytest.approx([1.0, 2 / 3])
  ends = frame[['low', 'high', 'rank_low', 'rank_high']]
  assert ends.isna().all(axis=None)
  pair = pairs(draws, ['a', 'b']).iloc[0]
  assert math.isnan(pair['low'])
  assert not pair['distinct']
  assert pair['studies_needed'] == INF


def test_scores_are_in_order_and_ties_by_name():
  # Times 1 and never, twice; 2.5 times the best on the first, best on the last.
  values = np.array([[1.0, INF, 1.0], [1.0, INF, 1.0], [2.5, 1.0, 2.5]])
  frame = scores(resample(values[..., np.newaxis]), ['b', 'a', 'c'])
  assert frame['submission'].tolist() == ['c', 'a', 'b']
  assert frame['score'].tolist() == [0.75, 0.5, 0.5]


def test_no_studies_at_all_count_as_not_reached():
  values = np.full((2, 3, 4), NAN)
  values[0] = [[1.0, 2.0, 3.0, 4.0]] * 3
  draws = resample(values)
  assert draws.scores_S.tolist() == [1.0, 0.0]
  assert draws.studies_S.tolist() == [4, 0]


def test_repeated_values_leave_no_doubt():
  values = np.ones((3, 3, 5)) * np.array([1.0, 2.0, 2.0])[:, None, None]
  draws = resample(values)
  frame = scores(draws, ['a', 'b', 'c'])
  assert frame['rank'].tolist() == [1, 2, 2]
  assert (frame['low'] == frame['high']).all()
  assert frame['rank_low'].tolist() == frame['rank_high'].tolist() == [1, 2, 2]
  found = pairs(draws, ['a', 'b', 'c'])
  assert found['better'].tolist() == ['a', 'a', 'b']
  assert found['worse'].tolist() == ['b', 'c', 'c']
  assert found['distinct'].tolist() == [True, True, False]
  assert found['studies_needed'].tolist() == [0.0, 0.0, INF]
  assert found['adjacent'].tolist() == [True, False, True]


def test_rank_ranges_are_percentiles_of_ranks():
  draws = resample(smooth(4, 5, spread=0.5), resamples=1000)
  ranks = stats.rankdata(-draws.scores_RxS.round(12), method='min', axis=1)
  cut = int(1000 * stats.norm.sf(1.959963984540054 / (1 - 2.0**-4)))
  observed = stats.rankdata(-draws.scores_S, method='min')
  found = intervals.ranks(draws)
  for i in range(4):
    sorted_ranks = sorted(ranks[:, i])
    assert found.low[i] == min(sorted_ranks[cut], observed[i])
    assert found.high[i] == max(sorted_ranks[-1 - cut], observed[i])
  assert (found.high > found.low).any()


def test_studies_needed_by_hand():
  # Scores of five studies that differ by 0.1 with a spread of 0.08.
  draws = resample(smooth(2, 5), resamples=1001)
  noise = stats.norm.ppf((np.arange(1001) + 0.5) / 1001)
  draws = dataclasses.replace(
    draws,
    scores_S=np.array([0.6, 0.5]),
    scores_RxS=np.stack([0.6 + 0.08 * noise / noise.std(), 0.5 + 0 * noise], 1),
  )
  # 5 * (0.08 * (1.96 + 0.84) / 0.1) ** 2 = 25.1 studies in all.
  assert statistics.studies_needed(draws, 0, 1) == 21
  assert statistics.studies_needed(draws, 1, 0) == 21
  assert statistics.studies_needed(draws, 1, 1) == INF
  apart = dataclasses.replace(draws, scores_S=np.array([0.9, 0.5]))
  apart = dataclasses.replace(apart, scores_RxS=draws.scores_RxS + [0.3, 0.0])
  assert statistics.studies_needed(apart, 0, 1) == 0


def test_as_many_studies_as_needed_do_tell_apart():
  generator = np.random.default_rng(3)
  logs = np.array([[[0.0]], [[0.2]]])
  truth = resample(np.exp(logs).repeat(3, axis=1)).scores_S

  def drawn(studies: int) -> bootstrap.Bootstrap:
    noise = 0.3 * generator.normal(size=(2, 3, studies))
    return resample(np.exp(logs + noise), 500)

  # An observed difference varies too much for a test: give it the true one.
  pilots = [dataclasses.replace(drawn(5), scores_S=truth) for _ in range(40)]
  more = int(np.median([statistics.studies_needed(p, 0, 1) for p in pilots]))
  found = [statistics.pairs(drawn(5 + more), 'ab') for _ in range(200)]
  distinct = np.mean([pair.distinct for (pair,) in found])
  assert more > 5
  # It aims at 80 %, from a spread that five studies rather overestimate.
  assert 0.7 < distinct < 0.97


def test_leaving_out_takes_variants_along():
  medians = {'x': [1.0, 2.0], 'y': [3.0, 1.0], 'z': [INF, 1.0]}
  frame = left_out(medians, COLUMNS)
  # In all: a has not solved z, hence not x, and is 3 times slower on y.
  assert frame.to_dict('list') == {
    'submission': ['a', 'b', 'a', 'b'],
    'left_out': ['x', 'x', 'y', 'y'],
    'score': pytest.approx([1 / 3, 1.0, 0.0, 1.0]),
    'change': pytest.approx([1 / 6, 0.0, -1 / 6, 0.0]),
    'rank': [2, 1, 2, 1],
    'rank_change': [0, 0, 0, 0],
  }


def test_ranks_change_when_a_workload_leaves():
  medians = {'x': [1.0, INF], 'y': [3.0, 1.0], 'z': [1.0, INF]}
  frame = left_out(medians, COLUMNS)
  assert frame['rank'].tolist() == [2, 1, 1, 2]
  assert frame['rank_change'].tolist() == [1, -1, 0, 0]


def test_nothing_is_left_of_one_workload():
  columns = question.Columns.of(('x',), {})
  frame = left_out({'x': [1.0]}, columns)
  assert frame.empty
  assert 'rank_change' in frame


def test_speedups_by_hand():
  values = np.array([[[8.0], [6.0], [1.0]], [[2.0], [INF], [1.0]]])
  found = statistics.speedups(
    resample(values.repeat(5, axis=-1)), 0, np.array([50.0, 23.0, 9.0])
  )
  expected = stats.gmean([8 / 2, 6 / (23 + 1)])
  assert found.speedup_S.tolist() == pytest.approx([1.0, expected])
  assert found.low_S.tolist() == found.speedup_S.tolist()
  assert found.high_S.tolist() == found.speedup_S.tolist()
  assert found.bounded_S.tolist() == [0, 1]
  without_budget = statistics.speedups(resample(values), 0, np.full(3, INF))
  assert without_budget.speedup_S.tolist() == pytest.approx([1.0, 4.0])


def test_intervals_of_speedups_are_percentiles():
  draws = resample(smooth(3, 5), resamples=1000)
  found = statistics.speedups(draws, 2, np.full(3, 100.0))
  medians = draws.medians_RxSxW[:, :, :2]
  each = stats.gmean(medians[:, [2]] / medians, axis=2)
  cut = int(1000 * stats.norm.sf(1.959963984540054 / (1 - 2.0**-4)))
  each.sort(axis=0)
  assert found.low_S == pytest.approx(each[cut])
  assert found.high_S == pytest.approx(each[-1 - cut])
  assert found.low_S[2] == found.high_S[2] == 1.0


@pytest.mark.parametrize('studies', [3, 5])
def test_intervals_cover_what_is_stated(studies: int):
  held = scripts.load('bench/coverage').measure(
    studies, 120, seed=7, resamples=1000
  )
  for name, stated in (
    ('scores', intervals.COVERAGE[studies]),
    ('times', intervals.TIMES_COVERAGE[studies]),
  ):
    error = held[name].std() / math.sqrt(len(held[name]))
    # Competitions are independent: three standard errors of their mean.
    assert held[name].mean() == pytest.approx(stated, abs=0.005 + 3 * error)
    assert error < 0.015
  assert 0.93 <= intervals.COVERAGE[studies] <= 0.97


def test_the_simulation_knows_the_median_of_its_populations():
  module = scripts.load('bench/coverage')
  truth = module.population(np.random.default_rng(1))
  values = truth.studies(np.random.default_rng(2), 4001)
  certain = np.abs(truth.failing_SxW - 0.5) > 0.05
  expected = truth.medians_SxW[certain]
  medians = np.median(values, axis=-1)[certain]
  reached = np.isfinite(expected)
  assert (np.isfinite(medians) == reached).all()
  spread = truth.spread_SxW[certain][reached]
  # The standard error of a median is 1.25 times that of a mean, and more for
  # the quantiles far from the middle that failures push it to.
  distance = np.log(medians[reached] / expected[reached]) / spread
  assert np.abs(distance).max() < 0.2
