"""From times to scores: ratios, performance profiles and their integral.

Performance profiles follow Dolan and Moré (arXiv cs/0102001); limits, held-out
rule and score are AlgoPerf's (arXiv 2306.07179, section 4.4). The profile is a
step function, so its integral is computed exactly.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def limited(times: pd.DataFrame, max_ratio: float) -> pd.DataFrame:
  """Times, infinite where above max_ratio times the least of a column."""
  return times.mask(times > max_ratio * times.min(), np.inf)


def ratios(
  times: pd.DataFrame,
  *,
  held_out: Mapping[str, str],
  max_ratio: float,
) -> pd.DataFrame:
  """Times over the fastest submission's, by the benchmark's rules.

  Args:
    times: a row a submission, a column a workload, infinite if not reached.
    held_out: variant to base workload, for the pairs that fail together.
    max_ratio: slower than this multiple of the fastest counts as not reached.

  Returns:
    The same rows, the columns that are no held-out variants; values in
    [1, max_ratio] or infinite.
  """
  times = times.copy()
  for variant, base in held_out.items():
    times.loc[np.isinf(times[base]), variant] = np.inf
  times = limited(times, max_ratio)
  for variant, base in held_out.items():
    times.loc[np.isinf(times[variant]), base] = np.inf
  times = times.drop(columns=list(held_out))
  fastest = times.min()
  return times.div(fastest.where(np.isfinite(fastest), 1.0))


def profiles(ratios: pd.DataFrame, max_ratio: float) -> pd.DataFrame:
  """The share of workloads that each submission solves within a factor tau.

  Returns:
    Columns submission, tau, fraction: the corners of a step function that is
    continuous from the right, from tau = 1 to tau = max_ratio.
  """
  rows = []
  for submission, row in ratios.iterrows():
    values = np.sort(row.to_numpy())
    values = values[values <= max_ratio]
    for tau in np.unique([1.0, *values, max_ratio]):
      solved = np.searchsorted(values, tau, side='right')
      rows.append((submission, tau, solved / len(row)))
  return pd.DataFrame(rows, columns=['submission', 'tau', 'fraction'])


def scores(ratios: pd.DataFrame, max_ratio: float) -> pd.DataFrame:
  """The mean height of each profile, the integral over tau in closed form.

  A ratio r puts 1/n on the profile from r to max_ratio, so it contributes
  (max_ratio - r) / (max_ratio - 1) / n, and nothing where r is above max_ratio.

  Returns:
    Columns submission and score in [0, 1], best first, ties by name.
  """
  shares = (max_ratio - ratios.clip(upper=max_ratio)) / (max_ratio - 1)
  frame = shares.mean(axis='columns').rename('score').reset_index()
  return frame.sort_values(
    ['score', 'submission'], ascending=[False, True], ignore_index=True
  )
