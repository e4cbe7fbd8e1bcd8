"""The optimizers against values computed by hand or by numpy."""

import collections
import json
import types

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from algoperf import sources, spec, tuning
from submissions.adamw import submission as adamw
from submissions.heavy_ball import submission as heavy_ball
from submissions.nadamw import submission as nadamw
from submissions.nesterov import submission as nesterov

_GRADIENTS = [(0.5, -1.0), (0.25, 2.0), (-1.0, 0.1)]
_CONSTANT_STEPS = 10**9  # So many that the decay of the rate is not seen.


def _point(**values: float) -> spec.Hyperparameters:
  return collections.namedtuple('Hyperparameters', values)(**values)


def _trajectory(
  tx: optax.GradientTransformation, params: object, gradients: object
) -> np.ndarray:
  params = jnp.asarray(params)
  state, steps = tx.init(params), []
  for gradient in gradients:
    updates, state = tx.update(jnp.asarray(gradient), state, params)
    params = optax.apply_updates(params, updates)
    steps.append(np.asarray(params))
  return np.stack(steps)


def _adam_point() -> spec.Hyperparameters:
  return _point(
    learning_rate=0.01,
    one_minus_beta1=0.1,
    beta2=0.999,
    weight_decay=0.1,
    warmup_factor=0.0,
  )


def test_nadamw_is_algoperfs():
  steps = _trajectory(
    nadamw.optimizer(_adam_point(), _CONSTANT_STEPS), (1.0, -2.0), _GRADIENTS
  )
  expected = [
    (0.98000014, -1.97900009),
    (0.96730143, -1.98697233),
    (0.97376847, -1.9880724),
  ]
  np.testing.assert_allclose(steps, expected, rtol=3e-7)  # float32


def test_nadamw_differs_from_optax():
  ours = nadamw.scale_by_nadam(0.9, 0.999)
  optaxs = optax.scale_by_adam(0.9, 0.999, nesterov=True)
  params = (1.0, -2.0)
  steps = [_trajectory(tx, params, _GRADIENTS) for tx in (ours, optaxs)]
  assert np.abs(steps[0] - steps[1]).max() > 0.01


def test_adamw_is_its_definition():
  steps = _trajectory(
    adamw.optimizer(_adam_point(), _CONSTANT_STEPS), (1.0, -2.0), _GRADIENTS
  )
  p, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
  for n, (g, step) in enumerate(zip(_GRADIENTS, steps, strict=True), start=1):
    g = np.array(g)
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    direction = m / (1 - 0.9**n) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
    p = p - 0.01 * (direction + 0.1 * p)
    np.testing.assert_allclose(step, p, rtol=1e-6)


@pytest.mark.parametrize(
  ('module', 'expected'),
  # Momentum 0.9, decay 0.1: 1 − 0.1·(1 + 0.1) = 0.89, then
  # 0.89 − 0.1·(0.9·1.1 + 0.5 + 0.089) = 0.7321.
  [(nesterov, (0.791, 0.591871)), (heavy_ball, (0.89, 0.7321))],
)
def test_decay_joins_the_gradient_before_momentum(
  module: types.ModuleType, expected: tuple[float, float]
):
  point = _point(
    learning_rate=0.1,
    one_minus_beta1=0.1,
    weight_decay=0.1,
    warmup_factor=0.0,
    decay_steps_factor=0.9,
    end_factor=0.01,
  )
  steps = _trajectory(module.optimizer(point, _CONSTANT_STEPS), 1.0, [1.0, 0.5])
  np.testing.assert_allclose(steps, expected, rtol=1e-6)


def test_nadamw_tries_its_points_in_order():
  space = sources.locate('nadamw').search_space
  points = tuning.load(space, 5, seed=3)
  assert points == json.loads(space.read_text())
  assert [point['learning_rate'] for point in points] == [
    0.001308209823469072,
    0.0008445074561975979,
    0.001308209823469072,
    0.004958460849689891,
    0.0017486387539278373,
  ]
  assert list(points[0]) == [
    'learning_rate',
    'one_minus_beta1',
    'beta2',
    'weight_decay',
    'warmup_factor',
    'label_smoothing',
    'dropout_rate',
  ]
