"""Ratios, profiles and scores against a restatement in plain Python."""

import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest
from scipy import integrate

from scoring import profiles, question, rows
from tests.scoring import restated

INF = math.inf
# Few distinct values, so that ties, exact limits and infinities are common.
TIMES = st.sampled_from([1.0, 2.0, 3.5, 4.0, 4.5, 8.0, 14.0, 17.0, INF])
HELD_OUT = {'b': 'x', 'd': 'z'}


def competition(
  columns: str,
) -> st.SearchStrategy[dict[str, dict[str, float]]]:
  rows = st.fixed_dictionaries(dict.fromkeys(columns, TIMES))
  return st.dictionaries(
    st.sampled_from('ABCDEF'), rows, min_size=1, max_size=6
  )


def ratios_of(
  table: dict[str, dict[str, float]], columns: question.Columns, limit: float
) -> np.ndarray:
  times_SxW = [[row[name] for name in columns.names] for row in table.values()]
  return profiles.ratio_array(np.array(times_SxW), columns, limit)


@settings(deadline=None, max_examples=200)
@given(competition('xyzbd'), st.sampled_from([2.0, 4.0]), st.booleans())
def test_ratios_follow_the_rules(
  table: dict[str, dict[str, float]], limit: float, with_held_out: bool
):
  held_out = HELD_OUT if with_held_out else {}
  columns = question.Columns.of(
    tuple('xyzbd' if not with_held_out else 'xyz'), held_out
  )
  ratios = ratios_of(table, columns, limit)
  found = pd.DataFrame(ratios, index=list(table), columns=columns.workloads)
  assert found.to_dict('index') == restated.ratios(table, held_out, limit)


@settings(deadline=None, max_examples=100)
@given(competition('xyz'), st.floats(1.0, 4.0))
def test_profile_counts_what_is_solved(
  table: dict[str, dict[str, float]], tau: float
):
  ratios = ratios_of(table, question.Columns.of(('x', 'y', 'z'), {}), 4.0)
  corners = profiles.profiles(list(table), ratios, 4.0)
  steps = rows.frame(profiles.Corner, corners)
  for name, row in restated.ratios(table, {}, 4.0).items():
    corners = steps[steps['submission'] == name]
    assert corners['tau'].iloc[0] == 1.0
    assert corners['tau'].iloc[-1] == 4.0
    assert corners['tau'].is_monotonic_increasing
    solved = sum(ratio <= tau for ratio in row.values()) / len(row)
    height = corners['fraction'][corners['tau'] <= tau].iloc[-1]
    assert height == pytest.approx(solved)


RATIOS = st.one_of(st.floats(1.0, 6.0), st.just(INF))


@settings(deadline=None, max_examples=50)
@given(st.lists(RATIOS, min_size=1, max_size=9), st.floats(1.5, 6.0))
def test_score_is_the_integral_of_the_profile(
  values: list[float], limit: float
):
  # Between two neighbouring corners the profile is constant, so quadrature
  # there is exact; the tolerance is that of summing in another order.
  corners = sorted({1.0, limit, *(v for v in values if v <= limit)})
  area = sum(
    integrate.quad(
      lambda tau: np.mean(np.array(values) <= tau), low, high, limit=5
    )[0]
    for low, high in itertools.pairwise(corners)
  )
  score = profiles.score_array(np.array(values), limit).item()
  assert score == pytest.approx(area / (limit - 1), abs=1e-12)
