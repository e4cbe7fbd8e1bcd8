"""From times to scores: ratios, performance profiles and their integral.

Performance profiles follow Dolan and Moré (arXiv cs/0102001); limits, held-out
rule and score are AlgoPerf's (arXiv 2306.07179, section 4.4). The profile is a
step function, so its integral is computed exactly.

S: submissions, W: base workloads and then held-out variants, B: base workloads,
x: any leading dimensions, such as resamples.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from scoring import question

_GRID = 100  # Points of AlgoPerf's trapezoid.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corner:
  """A point where a submission's profile starts, rises or ends."""

  submission: str
  tau: float
  fraction: float


def ratio_array(
  times_xSxW: np.ndarray, columns: question.Columns, max_ratio: float
) -> np.ndarray:
  """Times over the fastest submission's, by the benchmark's rules.

  Args:
    times_xSxW: infinite where the target was not reached; no NaN.
    columns: what the last dimension stands for.
    max_ratio: slower than this multiple of the fastest counts as not reached.

  Returns:
    ratios_xSxB, in [1, max_ratio] or infinite.
  """
  times_xSxW = np.array(times_xSxW, dtype=float)
  for variant, base in columns.held_out:
    times_xSxW[np.isinf(times_xSxW[..., base]), variant] = np.inf
  fastest_xW = times_xSxW.min(axis=-2, keepdims=True)
  times_xSxW[times_xSxW > max_ratio * fastest_xW] = np.inf
  for variant, base in columns.held_out:
    times_xSxW[np.isinf(times_xSxW[..., variant]), base] = np.inf
  times_xSxB = times_xSxW[..., : len(columns.workloads)]
  fastest_xB = times_xSxB.min(axis=-2, keepdims=True)
  positive = np.isfinite(fastest_xB) & (fastest_xB > 0)
  return np.maximum(times_xSxB / np.where(positive, fastest_xB, 1.0), 1.0)


def score_array(
  ratios_xSxB: np.ndarray, max_ratio: float, integral: str = 'exact'
) -> np.ndarray:
  """The mean height of each profile from 1 to max_ratio.

  A ratio r puts 1/B on the profile from r to max_ratio, so it contributes
  (max_ratio - r) / (max_ratio - 1) / B, and nothing where r is above max_ratio.

  Args:
    ratios_xSxB: as `ratio_array` gives them.
    max_ratio: where profiles end.
    integral: 'exact', or 'trapezoid' over 100 evenly spaced points.

  Returns:
    scores_xS in [0, 1].
  """
  if integral == 'exact':
    shares_xSxB = max_ratio - np.minimum(ratios_xSxB, max_ratio)
    return shares_xSxB.mean(axis=-1) / (max_ratio - 1)
  # A ratio adds the weights of all points of the grid from itself on.
  weights = np.full(_GRID, 1 / (_GRID - 1))
  weights[[0, -1]] /= 2
  shares = np.append(weights[::-1].cumsum()[::-1], 0.0)
  grid = np.linspace(1.0, max_ratio, _GRID)
  return shares[np.searchsorted(grid, ratios_xSxB)].mean(axis=-1)


def profiles(
  submissions: Sequence[str], ratios_SxB: np.ndarray, max_ratio: float
) -> list[Corner]:
  """The share of workloads that each submission solves within a factor tau.

  Returns:
    The corners of a step function that is continuous from the right, from
    tau = 1 to tau = max_ratio.
  """
  corners = []
  for submission, ratios_B in zip(submissions, ratios_SxB, strict=True):
    solved = np.sort(ratios_B[ratios_B <= max_ratio])
    taus = np.array(sorted({1.0, *solved.tolist(), max_ratio}))
    counts = np.searchsorted(solved, taus, side='right')
    corners += [
      Corner(submission=submission, tau=tau, fraction=count / len(ratios_B))
      for tau, count in zip(taus.tolist(), counts.tolist(), strict=True)
    ]
  return corners


def ranks(scores_xS: np.ndarray) -> np.ndarray:
  """1 for the best score; ties, to twelve decimals, share the better rank."""
  scores_xS = np.round(scores_xS, 12)
  better = scores_xS[..., np.newaxis, :] > scores_xS[..., :, np.newaxis]
  return 1 + better.sum(axis=-1)
