"""Resamples of a competition's studies, and their times and scores.

Studies are resampled with replacement within each submission and workload,
independently of all others (Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993), and the rules of the benchmark, held-out rule and limits
included, are applied to every resample.

S: submissions, W: base workloads and then held-out variants, B: base workloads,
K: studies, R: resamples, C: cells (submission and workload) with equally many
studies, M: pairs of studies that can be the middle of a resample.
"""

import dataclasses
import functools
import math

import numpy as np

from algoperf import spec
from scoring import profiles, question


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bootstrap:
  """A competition and its resamples.

  Attributes:
    columns: what the workload dimension stands for.
    sorted_SxWxK: values of the studies, ascending; infinite where the target
      was not reached, NaN (last) where there is no such study.
    medians_SxW, ratios_SxB, scores_S: as observed. Medians are infinite where
      there are no studies.
    medians_RxSxW, ratios_RxSxB, scores_RxS: of the resamples.
  """

  columns: question.Columns
  sorted_SxWxK: np.ndarray
  medians_SxW: np.ndarray
  ratios_SxB: np.ndarray
  scores_S: np.ndarray
  medians_RxSxW: np.ndarray
  ratios_RxSxB: np.ndarray
  scores_RxS: np.ndarray

  @functools.cached_property
  def studies_SxW(self) -> np.ndarray:
    """How many studies there are."""
    return _studies(self.sorted_SxWxK)

  @functools.cached_property
  def studies_S(self) -> np.ndarray:
    """The fewest studies of any workload that a submission has some of."""
    known_SxW = np.where(self.studies_SxW > 0, self.studies_SxW, np.inf)
    fewest_S = known_SxW.min(axis=1)
    return np.where(np.isinf(fewest_S), 0, fewest_S).astype(int)


def resample(
  values_SxWxK: np.ndarray,
  columns: question.Columns,
  max_ratio: float,
  *,
  integral: str = 'exact',
  resamples: int = question.RESAMPLES,
  seed: int = 0,
) -> Bootstrap:
  """Resamples the studies of every submission on every workload.

  The median of a resample depends only on which of the sorted studies are in
  its middle, so these ranks are drawn from their distribution, rather than K
  studies that are then sorted: the same law at a fraction of the cost.

  Args:
    values_SxWxK: of studies; infinite where the target was not reached, NaN
      where there is no such study.
    columns: what the workload dimension stands for.
    max_ratio: of the benchmark.
    integral: of the profile, as for `profiles.score_array`.
    resamples: how many.
    seed: the same seed and shape give the same resamples.

  Raises:
    UsageError: there would be no resamples.
  """
  if resamples < 1:
    raise spec.UsageError(f'resamples={resamples} must be 1 or more')
  sorted_SxWxK = np.sort(np.asarray(values_SxWxK, dtype=float), axis=-1)
  studies_SxW = _studies(sorted_SxWxK)
  generator = np.random.default_rng(seed)
  chances_RxSxW = generator.random((resamples, *studies_SxW.shape))
  medians_SxW = np.full(studies_SxW.shape, np.inf)
  medians_RxSxW = np.full(chances_RxSxW.shape, np.inf)
  for studies in sorted(set(studies_SxW[studies_SxW > 0].tolist())):
    cells_SxW = studies_SxW == studies
    sorted_CxK = sorted_SxWxK[cells_SxW][:, :studies]
    medians_SxW[cells_SxW] = _medians(sorted_CxK)
    medians_RxSxW[:, cells_SxW] = _resampled_medians(
      sorted_CxK, chances_RxSxW[:, cells_SxW]
    )
  ratios_SxB = profiles.ratio_array(medians_SxW, columns, max_ratio)
  ratios_RxSxB = profiles.ratio_array(medians_RxSxW, columns, max_ratio)
  return Bootstrap(
    columns=columns,
    sorted_SxWxK=sorted_SxWxK,
    medians_SxW=medians_SxW,
    ratios_SxB=ratios_SxB,
    scores_S=profiles.score_array(ratios_SxB, max_ratio, integral),
    medians_RxSxW=medians_RxSxW,
    ratios_RxSxB=ratios_RxSxB,
    scores_RxS=profiles.score_array(ratios_RxSxB, max_ratio, integral),
  )


@functools.cache
def median_ranks(studies: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Which of K sorted studies are in the middle of a resample of K.

  Let n_i be the number of draws among the i lowest studies, binomial with
  chance i/K. The a-th lowest draw is among them if n_i >= a. The middle two of
  an even number are the a-th, a = K/2, and the next: the first is among the i
  lowest and the second among the j lowest, i <= j, unless n_i < a or exactly a
  draws are among the i lowest and the others above the j lowest.

  Returns:
    low_M, high_M: ranks from 0, equal if K is odd; a resample's median is the
      mean of the two studies that have them.
    chances_M: of each such pair; their sum is 1.
  """
  middle = (studies + 1) // 2
  count_N = np.arange(studies + 1)
  share_N = count_N / studies
  choose_N = np.array([math.comb(studies, int(n)) for n in count_N], float)
  binomial_IxN = (
    choose_N
    * share_N[:, np.newaxis] ** count_N
    * (1 - share_N[:, np.newaxis]) ** (studies - count_N)
  )
  at_least_I = binomial_IxN[:, middle:].sum(axis=1)
  if studies % 2:
    chances_M = np.diff(at_least_I)
    return count_N[:-1], count_N[:-1], chances_M
  lower_IxJ = np.minimum(count_N[:, np.newaxis], count_N)
  all_IxJ = at_least_I[lower_IxJ] - choose_N[middle] * share_N[
    lower_IxJ
  ] ** middle * (1 - share_N) ** (studies - middle)
  chances_IxJ = np.diff(np.diff(all_IxJ, axis=0), axis=1)
  low_M, high_M = np.triu_indices(studies)
  return low_M, high_M, np.maximum(chances_IxJ[low_M, high_M], 0.0)


def _studies(sorted_SxWxK: np.ndarray) -> np.ndarray:
  return (~np.isnan(sorted_SxWxK)).sum(axis=-1)


def _medians(sorted_CxK: np.ndarray) -> np.ndarray:
  studies = sorted_CxK.shape[1]
  return (sorted_CxK[:, (studies - 1) // 2] + sorted_CxK[:, studies // 2]) / 2


def _resampled_medians(
  sorted_CxK: np.ndarray, chances_RxC: np.ndarray
) -> np.ndarray:
  """Medians of resamples, from numbers that are uniform from 0 to 1."""
  low_M, high_M, chances_M = median_ranks(sorted_CxK.shape[1])
  values_CxM = (sorted_CxK[:, low_M] + sorted_CxK[:, high_M]) / 2
  edges_M = np.cumsum(chances_M)[:-1]
  drawn_RxC = np.searchsorted(edges_M, chances_RxC, side='right')
  return values_CxM[np.arange(len(values_CxM)), drawn_RxC]
