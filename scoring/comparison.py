"""Studies of several submissions in, scores with their uncertainty out."""

from collections.abc import Sequence
import dataclasses

import numpy as np
import pandas as pd

from scoring import bootstrap, profiles, question, statistics, times


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
  """Data frames as `result.Result` describes them.

  Of cells there are the columns submission, workload, value, low, high, ratio,
  ratio_low and ratio_high.
  """

  scores: pd.DataFrame
  times: pd.DataFrame
  ratios: pd.DataFrame
  profiles: pd.DataFrame
  cells: pd.DataFrame
  pairs: pd.DataFrame


def compare(
  asked: question.Question, studies: pd.DataFrame, reference: str | None
) -> Comparison:
  """Scores submissions by what their studies took.

  Args:
    asked: which workloads count, by which rules, and how often to resample.
    studies: as `times.Grouping.studies` gives them.
    reference: the submission that speed-ups are relative to.
  """
  rules, columns = asked.rules, asked.columns
  submissions = sorted(studies['submission'].unique())
  (values_SxWxK,) = times.by_study(
    studies, submissions, columns.names, times.MEASURES[asked.by][:1]
  )
  draws = bootstrap.resample(
    values_SxWxK,
    columns,
    rules.max_ratio,
    integral=rules.integral,
    resamples=asked.resamples,
    seed=asked.seed,
  )
  scores = statistics.scores(draws, submissions)
  if reference is not None:
    limits_W = np.array([asked.limits[name] for name in columns.names])
    speedups = statistics.speedups(
      draws, submissions.index(reference), limits_W
    )
    names = ('speedup', 'speedup_low', 'speedup_high', 'bounded')
    frame = pd.DataFrame(
      dict(zip(names, speedups, strict=True)), index=submissions
    )
    scores = scores.join(frame, on='submission')
  submission = pd.Index(submissions, name='submission')
  order = pd.Index(scores['submission'], name='submission')
  medians = _frame(draws.medians_SxW, submission, columns.names).loc[order]
  ratios = _frame(draws.ratios_SxB, submission, columns.workloads).loc[order]
  return Comparison(
    scores=scores,
    times=medians,
    ratios=ratios,
    profiles=profiles.profiles(ratios, rules.max_ratio),
    cells=_cells(draws, submission, columns.names).loc[order].reset_index(),
    pairs=statistics.pairs(draws, submissions),
  )


def _frame(
  values: np.ndarray, submissions: pd.Index, workloads: Sequence[str]
) -> pd.DataFrame:
  names = pd.Index(workloads, name='workload')
  return pd.DataFrame(values, index=submissions, columns=names)


def _cells(
  draws: bootstrap.Bootstrap, submissions: pd.Index, names: Sequence[str]
) -> pd.DataFrame:
  """Medians and ratios with their intervals; variants have no ratio."""
  time_ends, ratio_ends = (
    statistics.time_intervals(draws),
    statistics.ratio_intervals(draws),
  )
  arrays = {
    'value': draws.medians_SxW,
    'low': time_ends.low,
    'high': time_ends.high,
    'ratio': draws.ratios_SxB,
    'ratio_low': ratio_ends.low,
    'ratio_high': ratio_ends.high,
  }
  frames = {
    name: _frame(values, submissions, names[: values.shape[1]])
    .reindex(columns=names)
    .stack(future_stack=True)
    for name, values in arrays.items()
  }
  return pd.DataFrame(frames)
