"""How sure times, scores and ranks are: percentiles of a bootstrap.

Over studies, and expanded for few of them (Hesterberg, "What Teachers Should
Know about the Bootstrap", arXiv 1411.5279): the median of a resample never
leaves the range of the K studies, though that of the population does with a
chance of 2 ** (1 - K), so the normal quantile that gives the percentiles is
divided by 1 - 2 ** (1 - K).

S: submissions, W: base workloads and then held-out variants, B: base workloads,
K: studies, R: resamples, C: cells (submission and workload) with equally many
studies, M: values that the median of a resample can take, N: any of these.
"""

from collections.abc import Sequence
import statistics
from typing import NamedTuple

import numpy as np

from scoring import bootstrap, profiles

LEVEL = 0.95  # How often intervals should hold the true value.
# How often 95 % intervals held the truth, by number of studies: those of scores
# and those of the times of one submission on one workload.
COVERAGE = {2: 0.788, 3: 0.935, 4: 0.939, 5: 0.957, 10: 0.945}
TIMES_COVERAGE = {2: 0.536, 3: 0.768, 4: 0.885, 5: 0.944, 10: 0.949}
COVERAGE_SOURCE = (
  'scripts/bench/coverage --competitions=1000 --studies 2 3 4 5 10, '
  '22 November 2026: simulated competitions like AlgoPerf 0.5 with known truth'
)
_NORMAL = statistics.NormalDist()


class Interval(NamedTuple):
  """Both ends of intervals, included; NaN where they cannot be estimated."""

  low: np.ndarray
  high: np.ndarray

  def of(self, rows: Sequence[int]) -> 'Interval':
    """The intervals of some rows."""
    return Interval(self.low[rows], self.high[rows])


def coverage(studies: int) -> float:
  """How often 95 % intervals of scores held the truth, measured.

  Args:
    studies: at least 2; of numbers that were not measured the next lower one.
  """
  return COVERAGE[max(k for k in COVERAGE if k <= studies)]


def times(draws: bootstrap.Bootstrap) -> Interval:
  """Of the medians, S x W; exact, for the medians of resamples are known."""
  low_SxW = np.full(draws.studies_SxW.shape, np.nan)
  high_SxW = low_SxW.copy()
  for studies in sorted(set(draws.studies_SxW[draws.studies_SxW > 1].tolist())):
    cells_SxW = draws.studies_SxW == studies
    low_M, high_M, chances_M = bootstrap.median_ranks(studies)
    sorted_CxK = draws.sorted_SxWxK[cells_SxW]
    values_CxM = (sorted_CxK[:, low_M] + sorted_CxK[:, high_M]) / 2
    order_CxM = values_CxM.argsort(axis=1)
    values_CxM = np.take_along_axis(values_CxM, order_CxM, axis=1)
    below_CxM = chances_M[order_CxM].cumsum(axis=1)
    share = tail(studies)
    cells_C = np.arange(len(values_CxM))
    low_SxW[cells_SxW] = values_CxM[cells_C, (below_CxM <= share).sum(axis=1)]
    top_C = (below_CxM < 1 - share).sum(axis=1)
    top_C = np.minimum(top_C, values_CxM.shape[1] - 1)
    high_SxW[cells_SxW] = values_CxM[cells_C, top_C]
  return Interval(low_SxW, high_SxW)


def ratios(draws: bootstrap.Bootstrap) -> Interval:
  """Of the ratios, S x B; infinite where the workload does not count."""
  bases = len(draws.columns.workloads)
  return percentiles(
    draws.ratios_SxB, draws.ratios_RxSxB, draws.studies_SxW[:, :bases]
  )


def scores(draws: bootstrap.Bootstrap) -> Interval:
  """Of the scores, S."""
  return percentiles(draws.scores_S, draws.scores_RxS, draws.studies_S)


def ranks(draws: bootstrap.Bootstrap) -> Interval:
  """Ranks that a repetition could give, S; 1 is best, ties share the better.

  They hold the observed rank.
  """
  return percentiles(
    profiles.ranks(draws.scores_S),
    profiles.ranks(draws.scores_RxS),
    draws.studies_S,
  )


def tail(studies: int) -> float:
  """The share of resamples beyond each end of an interval."""
  inside = 1 - 2.0 ** (1 - studies)
  return _NORMAL.cdf(-_NORMAL.inv_cdf((1 + LEVEL) / 2) / inside)


def percentiles(
  observed_N: np.ndarray, draws_RxN: np.ndarray, studies_N: np.ndarray
) -> Interval:
  """Intervals of any shape N, widened to hold what was observed."""
  sorted_RxN = np.sort(draws_RxN, axis=0)
  low_N = np.full(observed_N.shape, np.nan)
  high_N = low_N.copy()
  for studies in sorted(set(studies_N[studies_N > 1].tolist())):
    cells_N = studies_N == studies
    cut = int(tail(studies) * len(sorted_RxN))
    low_N[cells_N] = sorted_RxN[cut, cells_N]
    high_N[cells_N] = sorted_RxN[-1 - cut, cells_N]
  return Interval(np.minimum(low_N, observed_N), np.maximum(high_N, observed_N))
