"""Keys are AlgoPerf's, whether derived one by one or in blocks."""

import jax
import numpy as np
import pytest

from algoperf import plan as plan_lib
from algoperf import seeds


def test_keys_of_seed_0_under_external_tuning():
  first = jax.random.split(jax.random.PRNGKey(0), 2)[0]
  assert first.tolist() == [1797259609, 2579123966]
  keys = seeds.trial_keys(0, 'external')
  assert np.array_equal(keys, jax.random.split(first, 4))
  assert keys.data.tolist() == [4165894930, 804218099]
  assert keys.optimizer.tolist() == [1353695780, 2116000888]
  assert keys.model.tolist() == [2839387376, 2467677468]
  assert keys.loop.tolist() == [4257973933, 3811338087]


def test_keys_of_the_first_step():
  loop = seeds.trial_keys(0, 'external').loop
  step = jax.random.fold_in(loop, 0)
  assert step.tolist() == [571603838, 2149529184]
  keys = seeds.StepKeySequence(loop)[0]
  assert np.array_equal(keys, jax.random.split(step, 4))
  assert keys.data_selection.tolist() == [2915668347, 3718528387]
  assert keys.update.tolist() == [3580665697, 2172700208]
  assert keys.prepare.tolist() == [1140133720, 971564138]
  assert keys.evaluation.tolist() == [593076697, 190555793]


def test_self_tuning_splits_the_seed_directly():
  expected = jax.random.split(jax.random.PRNGKey(3), 4)
  assert np.array_equal(seeds.trial_keys(3, 'self'), expected)


@pytest.mark.parametrize('first', [0, 700])
def test_blocks_hold_the_keys_of_single_steps(first):
  loop = seeds.trial_keys(5, 'external').loop
  sequence = seeds.StepKeySequence(loop, first)
  for step in range(first, first + 600):
    keys = sequence[step]
    if step % 97 == 0 or step % 256 in (0, 255):
      single = jax.random.split(jax.random.fold_in(loop, step), 4)
      assert np.array_equal(keys, single)
    assert np.array_equal(sequence[step], keys)  # Asked for twice.


def test_trial_seeds_differ_and_stay():
  found = {
    plan_lib.trial_seed(experiment, repetition, trial)
    for experiment in range(5)
    for repetition in range(1, 6)
    for trial in range(1, 6)
  }
  assert len(found) == 125
  assert all(0 <= seed < 2**32 for seed in found)
  assert plan_lib.trial_seed(0, 1, 1) == plan_lib.trial_seed(0, 1, 1)
