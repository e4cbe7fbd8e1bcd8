"""Studies of several submissions in, scores with their uncertainty out.

S: submissions, W: base workloads and then held-out variants, B: base workloads.
"""

from collections.abc import Sequence
import dataclasses
import operator

import numpy as np

from scoring import (
  bootstrap,
  intervals,
  profiles,
  question,
  statistics,
  studies,
  verifications,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
  """What came of comparing submissions, which are in the order of `scores`.

  Attributes:
    scores: best first.
    medians_SxW: over studies.
    medians_in: the intervals that they lie in.
    ratios_SxB: to the fastest, by the rules.
    ratios_in: the intervals that they lie in.
    profiles: of all submissions.
    pairs: of all submissions.
  """

  scores: Sequence[statistics.Score]
  medians_SxW: np.ndarray
  medians_in: intervals.Interval
  ratios_SxB: np.ndarray
  ratios_in: intervals.Interval
  profiles: Sequence[profiles.Corner]
  pairs: Sequence[statistics.Pair]

  @property
  def submissions(self) -> list[str]:
    """Names, best first."""
    return [score.submission for score in self.scores]


def compare(
  asked: question.Question,
  found: Sequence[studies.Study],
  reference: str | None,
) -> Comparison:
  """Scores submissions by what their studies took.

  Args:
    asked: which workloads count, by which rules, and how often to resample.
    found: the studies.
    reference: the submission that speed-ups are relative to.
  """
  rules, columns = asked.rules, asked.columns
  names = sorted({study.submission for study in found})
  value = operator.attrgetter(
    'submission', 'workload', studies.MEASURES[asked.by][0]
  )
  draws = bootstrap.resample(
    studies.by_study(map(value, found), names, columns.names),
    columns,
    rules.max_ratio,
    integral=rules.integral,
    resamples=asked.resamples,
    seed=asked.seed,
  )
  speedups = None
  if reference is not None:
    limits_W = np.array([asked.limits[name] for name in columns.names])
    speedups = statistics.speedups(draws, names.index(reference), limits_W)
  scores = [
    _with_verified(score, found)
    for score in statistics.scores(draws, names, speedups)
  ]
  order_S = [names.index(score.submission) for score in scores]
  ratios_SxB = draws.ratios_SxB[order_S]
  return Comparison(
    scores=scores,
    medians_SxW=draws.medians_SxW[order_S],
    medians_in=intervals.times(draws).of(order_S),
    ratios_SxB=ratios_SxB,
    ratios_in=intervals.ratios(draws).of(order_S),
    profiles=profiles.profiles(
      [names[row] for row in order_S], ratios_SxB, rules.max_ratio
    ),
    pairs=statistics.pairs(draws, names),
  )


def _with_verified(
  score: statistics.Score, found: Sequence[studies.Study]
) -> statistics.Score:
  """A score with how many of the trials that count were verified."""
  counting = [
    study.verification
    for study in found
    if study.submission == score.submission and study.trial is not None
  ]
  return dataclasses.replace(
    score,
    counting=len(counting),
    verified=counting.count(verifications.VERIFIED),
  )
