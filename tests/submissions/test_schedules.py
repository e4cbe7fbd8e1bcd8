"""Learning-rate schedules, and that the baselines follow theirs."""

import importlib
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from submissions import schedules
from tests.submissions import steps


@pytest.mark.parametrize(
  ('step', 'expected'),
  [
    (0, 0.0),
    (1, 7.28643e-7),
    (1200, 8.74319e-4),
    (2399, 1.747910e-3),
    (2400, 1.748639e-3),
    (61_200, 8.74319e-4),
    (119_999, 0.0),
    (120_000, 0.0),
    (500_000, 0.0),
  ],
)
def test_warmup_cosine_is_algoperfs(step: int, expected: float):
  schedule = schedules.warmup_cosine(0.0017486387539278373, 0.02, 120_000)
  # Six digits are known; the cosine's last value is 3e-13 in exact numbers.
  np.testing.assert_allclose(schedule(step), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
  ('step', 'expected'),
  [
    (0, 0.0),
    (25, 0.5),
    (50, 1.0),
    (51, 0.998842),
    (477, 0.505579),
    (905, 0.01),
    (999, 0.01),
    (5000, 0.01),
  ],
)
def test_warmup_linear_is_algoperfs(step: int, expected: float):
  schedule = schedules.warmup_linear(1.0, 0.05, 0.9, 0.01, 1000)
  np.testing.assert_allclose(schedule(step), expected, rtol=1e-6)


def test_without_warmup_the_first_rate_is_the_peak():
  assert schedules.warmup_cosine(0.5, 0.0, 10)(0) == 0.5
  assert schedules.warmup_linear(0.5, 0.0, 0.9, 0.1, 10)(0) == 0.5


def test_warmup_may_take_all_steps():
  schedule = schedules.warmup_cosine(0.5, 1.0, 10)
  assert schedule(9) == pytest.approx(0.45)
  assert schedule(11) == pytest.approx(0.0)


def test_a_training_of_one_step_ends_at_the_end_factor():
  schedule = schedules.warmup_linear(0.5, 0.0, 0.9, 0.1, 1)
  assert schedule(0) == 0.5
  assert schedule(1) == pytest.approx(0.05)


_COSINE = [0.0, 0.5, *((1 + np.cos(np.pi * np.arange(7) / 6)) / 2)]
_LINEAR = [0.0, 0.5, 1.0, 0.7, 0.4, 0.1, 0.1, 0.1]


def _updates(name: str, step_hint: int, warmup_factor: float) -> list[Any]:
  """What a submission adds to parameters that stay, by gradients that differ.

  The loss is linear and large: SAM's gradient is that of the parameters, steps
  by the loss are as long as they may be.
  """
  module = importlib.import_module(f'submissions.{name}.submission')
  values = {} if name != 'momo' else {'weight_decay': 0.0}
  arguments = {
    'hyperparameters': steps.point(
      warmup_factor=warmup_factor,
      decay_steps_factor=0.5,
      end_factor=0.1,
      momentum=0.95,
      beta1=0.9,
      eigenvector_period=2,
      rho=0.05,
      lower_bound=0.0,
      c=2.0,
      bound=1.0,
      **values,
    ),
    'step_hint': step_hint,
    'param_types': steps.TYPES,
  }
  wanted = inspect.signature(module.optimizer).parameters
  tx = optax.with_extra_args_support(
    module.optimizer(**{key: arguments[key] for key in wanted})
  )
  params = jax.tree.map(jnp.asarray, steps.params())
  state, found = tx.init(params), []
  for grads in steps.gradients(8):
    updates, state = tx.update(
      grads,
      state,
      params,
      value=1e6,
      value_fn=lambda at, grads=grads: optax.tree.vdot(at, grads),
    )
    found.append(updates)
  return found


@pytest.mark.parametrize(
  ('name', 'factors'),
  [
    *(
      (name, _COSINE)
      for name in (
        *('adabelief', 'adafactor', 'adamp', 'adamw', 'lamb', 'lion', 'momo'),
        *('muon', 'nadamw', 'polyak', 'sam', 'shampoo', 'soap'),
      )
    ),
    ('heavy_ball', _LINEAR),
    ('nesterov', _LINEAR),
  ],
)
def test_the_schedule_scales_every_update(name: str, factors: list[float]):
  """With a schedule, against the same method with the peak throughout."""
  scheduled = _updates(name, 8, 0.25)
  constant = _updates(name, steps.FOREVER, 0.0)
  for n, (ours, peak) in enumerate(zip(scheduled, constant, strict=True)):
    for key, leaf in peak.items():
      np.testing.assert_allclose(
        ours[key], factors[n] * leaf, rtol=1e-5, atol=1e-7
      )
      assert np.abs(leaf).max() > 1e-3 or (name == 'soap' and n == 0)
