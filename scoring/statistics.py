"""What scores say: their table, neighbours, leaving out, speed-ups.

S: submissions, W: base workloads and then held-out variants, B: base workloads,
R: resamples.
"""

from collections.abc import Sequence
import dataclasses
import math
import statistics
from typing import NamedTuple

import numpy as np

from scoring import bootstrap, intervals, profiles, question

_POWER = 0.8  # Chance to tell two submissions apart, for `studies_needed`.
_NORMAL = statistics.NormalDist()


class Speedups(NamedTuple):
  """How much faster than a reference; `bounded_S` counts base workloads."""

  speedup_S: np.ndarray
  low_S: np.ndarray
  high_S: np.ndarray
  bounded_S: np.ndarray


SPEEDUPS = ('speedup', 'speedup_low', 'speedup_high', 'bounded')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
  """One submission's score; the last fields tell of speed-ups, if of any.

  Ends of intervals are NaN, and of ranks None, where there is one study only.
  """

  rank: int  # Ties share the better one.
  submission: str
  score: float
  low: float
  high: float
  rank_low: int | None
  rank_high: int | None
  speedup: float = math.nan
  speedup_low: float = math.nan
  speedup_high: float = math.nan
  bounded: int = 0  # Workloads where it is only a bound.
  verified: int = (
    0  # How many of those that follow `algoperf verify` confirmed.
  )
  counting: int = 0  # Trials that reached their targets and count in a study.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
  """Two submissions, and whether their scores tell them apart."""

  better: str
  worse: str
  difference: float  # Of their scores.
  low: float
  high: float
  distinct: bool  # Zero is outside the interval.
  studies_needed: float
  adjacent: bool  # They follow each other in the order of scores.


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeftOut:
  """One submission's score and rank without one of the workloads."""

  submission: str
  left_out: str
  score: float
  change: float  # Of the score.
  rank: int
  rank_change: int  # Positive: worse.


def scores(
  draws: bootstrap.Bootstrap,
  submissions: Sequence[str],
  relative: Speedups | None = None,
) -> list[Score]:
  """Scores with their intervals and rank ranges, best first.

  Args:
    draws: of the competition.
    submissions: names of its rows.
    relative: speed-ups, if there is somebody that they are relative to.
  """
  columns = [
    profiles.ranks(draws.scores_S),
    draws.scores_S,
    *intervals.scores(draws),
    *intervals.ranks(draws),
    *(relative or ()),
  ]
  lists = (column.tolist() for column in columns)
  found = [
    Score(
      rank=rank,
      submission=submission,
      score=score,
      low=low,
      high=high,
      rank_low=_whole(rank_low),
      rank_high=_whole(rank_high),
      **dict(zip(SPEEDUPS, speedups, strict=False)),
    )
    for submission, rank, score, low, high, rank_low, rank_high, *speedups in (
      zip(submissions, *lists, strict=True)
    )
  ]
  return sorted(found, key=lambda row: (row.rank, row.submission))


def _whole(number: float) -> int | None:
  return None if math.isnan(number) else int(number)


def pairs(draws: bootstrap.Bootstrap, submissions: Sequence[str]) -> list[Pair]:
  """Whether submissions can be told apart by their scores, two by two."""
  names = list(submissions)
  ranks_S = profiles.ranks(draws.scores_S)
  order = sorted(range(len(names)), key=lambda i: (ranks_S[i], names[i]))
  found = []
  for place, better in enumerate(order):
    for distance, worse in enumerate(order[place + 1 :]):
      difference, interval = _difference(draws, better, worse)
      found.append(
        Pair(
          better=names[better],
          worse=names[worse],
          difference=difference,
          low=interval.low.item(),
          high=interval.high.item(),
          distinct=bool(interval.low > 0),
          studies_needed=studies_needed(draws, better, worse),
          adjacent=distance == 0,
        )
      )
  return found


def studies_needed(
  draws: bootstrap.Bootstrap, first: int, second: int
) -> float:
  """How many more studies should tell two submissions apart: an estimate.

  So many that the 95 % interval of the difference of their scores leaves out
  zero with a chance of 80 %, if the difference is as observed and its spread
  falls with the square root of the number of studies of each.

  Args:
    draws: of the competition.
    first: one submission's row.
    second: the other's.

  Returns:
    0 if they are told apart already; infinite if nothing differs, or if there
    is one study only, so that its spread is not known.
  """
  difference, interval = _difference(draws, first, second)
  if interval.low > 0 or interval.high < 0:
    return 0.0
  if difference == 0 or np.isnan(interval.low):
    return math.inf
  studies = int(draws.studies_S[[first, second]].min())
  spread = np.std(draws.scores_RxS[:, first] - draws.scores_RxS[:, second])
  distance = _NORMAL.inv_cdf((1 + intervals.LEVEL) / 2) + _NORMAL.inv_cdf(
    _POWER
  )
  needed = studies * (distance * spread / difference) ** 2
  return float(max(math.ceil(needed) - studies, 1))


def speedups(
  draws: bootstrap.Bootstrap, reference: int, limits_W: np.ndarray
) -> Speedups:
  """How much faster than a reference submission, over the base workloads.

  The geometric mean of the reference's median over the submission's. Where one
  was not reached, the budget and one second more takes its place, so that the
  speed-up is only a bound there; without a budget the workload is left out.

  Args:
    draws: of the competition.
    reference: its row.
    limits_W: the budget of every workload in the unit of the times; infinite
      if there is none.

  Returns:
    Speed-ups, S (1 if every workload is left out), with their intervals, and
    on how many base workloads either did not reach the target.
  """
  bases = len(draws.columns.workloads)
  limits_B = np.asarray(limits_W, dtype=float)[:bases] + 1.0
  speedup_S = _speedups(draws.medians_SxW[:, :bases], reference, limits_B)
  low_S, high_S = intervals.percentiles(
    speedup_S,
    _speedups(draws.medians_RxSxW[..., :bases], reference, limits_B),
    np.minimum(draws.studies_S, draws.studies_S[reference]),
  )
  missed_SxB = np.isinf(draws.medians_SxW[:, :bases])
  bounded_S = (missed_SxB | missed_SxB[reference]).sum(axis=1)
  return Speedups(speedup_S, low_S, high_S, bounded_S)


def leave_one_out(
  submissions: Sequence[str],
  medians_SxW: np.ndarray,
  columns: question.Columns,
  max_ratio: float,
  integral: str = 'exact',
) -> list[LeftOut]:
  """Scores and ranks without each base workload in turn.

  Held-out variants leave together with their base workload.

  Args:
    submissions: names of the rows.
    medians_SxW: of their studies.
    columns: what the second dimension stands for.
    max_ratio: of the benchmark.
    integral: of the profile.

  Returns:
    By workload, and then by submission; nothing if there is one workload only.
  """

  def scored(some: question.Columns) -> np.ndarray:
    times_SxW = medians_SxW[
      :, [columns.names.index(name) for name in some.names]
    ]
    ratios_SxB = profiles.ratio_array(times_SxW, some, max_ratio)
    return profiles.score_array(ratios_SxB, max_ratio, integral)

  all_scores_S = scored(columns)
  all_ranks_S = profiles.ranks(all_scores_S)
  found = []
  for workload in columns.workloads if len(columns.workloads) > 1 else ():
    scores_S = scored(columns.without(workload))
    ranks_S = profiles.ranks(scores_S)
    lists = (
      column.tolist()
      for column in (
        scores_S,
        scores_S - all_scores_S,
        ranks_S,
        ranks_S - all_ranks_S,
      )
    )
    found += [
      LeftOut(
        submission=submission,
        left_out=workload,
        score=score,
        change=change,
        rank=rank,
        rank_change=rank_change,
      )
      for submission, score, change, rank, rank_change in zip(
        submissions, *lists, strict=True
      )
    ]
  return found


def _speedups(
  times_xSxB: np.ndarray, reference: int, limits_B: np.ndarray
) -> np.ndarray:
  times_xSxB = np.where(np.isinf(times_xSxB), limits_B, times_xSxB)
  known_xSxB = np.isfinite(times_xSxB) & (times_xSxB > 0)
  logs_xSxB = np.log(np.where(known_xSxB, times_xSxB, 1.0))
  counts_xSxB = known_xSxB & known_xSxB[..., [reference], :]
  gains_xSxB = (logs_xSxB[..., [reference], :] - logs_xSxB) * counts_xSxB
  counted_xS = np.maximum(counts_xSxB.sum(axis=-1), 1)
  return np.exp(gains_xSxB.sum(axis=-1) / counted_xS)


def _difference(
  draws: bootstrap.Bootstrap, first: int, second: int
) -> tuple[float, intervals.Interval]:
  """Of two submissions' scores, with its interval."""
  observed = draws.scores_S[first] - draws.scores_S[second]
  interval = intervals.percentiles(
    np.array(observed),
    draws.scores_RxS[:, first] - draws.scores_RxS[:, second],
    np.array(draws.studies_S[[first, second]].min()),
  )
  return float(observed), interval
