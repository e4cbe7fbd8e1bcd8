"""`scripts/set_targets`: what it makes of results, and writes."""

import math
import pathlib
import types

from hypothesis import given
from hypothesis import strategies as st
import pytest

from algoperf import benchmark as benchmark_lib
from tests import scripts, toy

script = scripts.load('set_targets')
MINI = pathlib.Path(benchmark_lib.__file__).parent / 'benchmarks/mini.toml'


@given(st.floats(1e-6, 1e6), st.sampled_from(['>=', '<=']))
def test_who_had_the_value_meets_the_rounded_target(value, comparison):
  goal = toy.goal(comparison=comparison)
  rounded = script._rounded(value, goal)
  assert goal.meets(value, rounded)
  assert rounded == pytest.approx(value, rel=1.001e-3)
  assert rounded == pytest.approx(float(f'{rounded:.3e}'), rel=1e-12)


def test_targets_are_written_into_their_own_table(tmp_path: pathlib.Path):
  path = tmp_path / 'mini.toml'
  path.write_text(MINI.read_text())
  before = benchmark_lib.load(path)
  texts = []
  for _ in range(2):
    script.write(
      path,
      script.Target(
        workload='numerals_wmt', validation=12.5, test=None, source='a test'
      ),
    )
    texts.append(path.read_text())
    after = benchmark_lib.load(path)
    for old, new in zip(before.workloads, after.workloads, strict=True):
      if new.name != 'numerals_wmt':
        assert new == old
    changed = after.row('numerals_wmt').goal
    assert (changed.validation_target, changed.test_target) == (12.5, None)
  assert texts[0] == texts[1]
  lines, old_lines = texts[0].splitlines(), MINI.read_text().splitlines()
  assert len(lines) == len(old_lines) - 1


def test_runs_that_set_targets_have_none_and_end_at_the_horizon(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
  monkeypatch.setattr(script, '_HORIZON', types.SimpleNamespace(value=0.5))
  mini = benchmark_lib.load('mini')
  path = tmp_path / 'definition.toml'
  path.write_text(script._without_targets(mini, 'shakespeare_lm'))
  made = benchmark_lib.load(path)
  assert [row.name for row in made.workloads] == [
    row.name for row in mini.workloads if 'shakespeare' in row.name
  ]
  for row in made.workloads:
    old = mini.row(row.name).goal
    assert row.goal.validation_target is None
    assert row.goal.step_hint == math.floor(0.5 * old.step_hint)
    assert row.goal.batch_size == old.batch_size
    assert row.goal.max_runtime > 1000 * old.max_runtime
