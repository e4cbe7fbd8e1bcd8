"""Random competitions, scored by our code and by the rules restated."""

from collections.abc import Sequence
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest

from algoperf import benchmark, spec
from scoring import comparison, logs, question, studies, times, trial_files
from tests.scoring import restated

WORKLOADS, HELD_OUT = ('x', 'y', 'z'), {'b': 'x', 'd': 'z'}
GOAL = spec.Goal(
  metric='ppl',
  comparison='<=',
  validation_target=5.0,
  test_target=None,
  max_runtime=50.0,
  eval_period=1.0,
  step_hint=100,
  batch_size=1,
)

# Few distinct values, so that ties, exact limits and infinities are common.
# Trials differ in how often they are evaluated, so that the one with the
# fewest evaluations is not always the fastest.
GAPS = st.sampled_from([0.5, 1.0, 2.0, 4.0])


@st.composite
def trials(draw: st.DrawFn) -> restated.Trial:
  gap, step = draw(GAPS), draw(st.sampled_from([1.0, 3.0, 8.0]))
  met = draw(st.lists(st.booleans(), max_size=4))
  return [(gap * (i + 1), step * (i + 1), hit) for i, hit in enumerate(met)]


def competitions(workloads: Sequence[str]) -> st.SearchStrategy[restated.Logs]:
  some = st.dictionaries(
    st.integers(1, 3), st.lists(trials(), min_size=1, max_size=3)
  )
  cells = st.fixed_dictionaries(
    {workloads[0]: some.filter(len)},  # Somebody without logs is nobody.
    optional=dict.fromkeys(workloads[1:], some),
  )
  return st.dictionaries(st.sampled_from('ABCD'), cells, min_size=1)


def in_memory(found: restated.Logs) -> logs.Logs:
  records, evaluations = [], []
  for submission in sorted(found):
    for workload, some in sorted(found[submission].items()):
      for study, trials in sorted(some.items()):
        for number, trial in enumerate(trials, start=1):
          where = trial_files.Trial(
            path='',
            submission=submission,
            workload=workload,
            study=study,
            trial=number,
            framework='jax',
          )
          records.append(logs.Record(where=where))
          evaluations.append(trial)
  flat = np.array([e for trial in evaluations for e in trial]).reshape(-1, 3)
  unknown_N = np.full(len(flat), math.nan)
  return logs.Logs(
    records=records,
    starts_T1=np.cumsum([0, *map(len, evaluations)]),
    time_N=flat[:, 0],
    step_N=flat[:, 1],
    train_N=unknown_N,
    validation_N=np.where(flat[:, 2] == 1, 4.0, 9.0),
    test_N=unknown_N,
    notices=[],
  )


@settings(deadline=None, max_examples=150)
@given(
  competitions([*WORKLOADS, *HELD_OUT]),
  st.booleans(),
  st.booleans(),
  st.sampled_from(['time', 'steps']),
  st.sampled_from([2.0, 4.0]),
)
def test_every_step_follows_the_rules(
  found: restated.Logs,
  with_held_out: bool,
  as_published: bool,
  by: str,
  limit: float,
):
  held_out = HELD_OUT if with_held_out else {}
  columns = question.Columns.of(WORKLOADS, held_out)
  rules = benchmark.Scoring(
    study='fewest_evaluations' if as_published else 'least_time',
    workload='median',
    held_out='both',
    max_ratio=limit,
    integral='trapezoid' if as_published else 'exact',
  )
  measure = studies.MEASURES[by][0]
  read = in_memory(found)
  goals = dict.fromkeys([*WORKLOADS, *HELD_OUT], GOAL)
  grouping = studies.Grouping.of(
    times.of_trials(read, goals, 1.0), columns.names
  )
  some = grouping.studies('rounds' if as_published else measure)
  if as_published:
    some = [study for study in some if study.trials > 0]
  asked = question.Question(
    benchmark=None,
    ruleset=benchmark.Ruleset(
      name='external', trials=3, studies=3, budget_factor=1.0
    ),
    rules=rules,
    by=by,
    columns=columns,
    goals=goals,
    among=None,
    reference=None,
    strict=False,
    allow=(),
    resamples=10,
    seed=0,
  )
  seen = {study.submission for study in some}
  compared = comparison.compare(asked, some, 'A' if 'A' in seen else None)
  table = restated.medians(
    found,
    columns.names,
    rules.study,
    ('time', 'steps').index(by),
    skip_missing=as_published,
  )
  table = {name: row for name, row in table.items() if name in seen}
  medians = pd.DataFrame(
    compared.medians_SxW, compared.submissions, columns.names
  )
  assert medians.to_dict('index') == table
  expected = restated.ratios(table, held_out, limit)
  ratios = pd.DataFrame(
    compared.ratios_SxB, compared.submissions, columns.workloads
  )
  assert ratios.to_dict('index') == expected
  scores = {row.submission: row.score for row in compared.scores}
  assert scores == pytest.approx(
    {n: restated.score(r, limit, rules.integral) for n, r in expected.items()},
    abs=1e-12,
  )
  order = [-scores[name] for name in compared.submissions]
  assert order == pytest.approx(sorted(order), abs=1e-12)
