"""Methods that set their step by all arrays together, against numpy."""

import collections
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from algoperf import spec
from submissions.dadapt_adamw import submission as dadapt_adamw
from submissions.dog import submission as dog
from submissions.momo import submission as momo
from submissions.polyak import submission as polyak
from submissions.prodigy import submission as prodigy
from submissions.sam import submission as sam
from tests.submissions import steps

_LOSSES = [2.0, 1.5, 1.0]
_TOTAL = 32  # Steps of the schedules: warm-up of 4, then half a cosine.


def _point(**values: float) -> spec.Hyperparameters:
  return collections.namedtuple('Hyperparameters', values)(**values)


def _schedule(step: int) -> float:
  """Of from_one(warmup_cosine(1, 0.125, 32)): its rates from step 1 on."""
  step += 1
  return step / 4 if step < 4 else (1 + np.cos(np.pi * (step - 4) / 28)) / 2


def _flat(tree: steps.Tree) -> np.ndarray:
  """One vector, because these methods see all arrays as one."""
  return np.concatenate(
    [np.asarray(tree[name], np.float64).ravel() for name in sorted(tree)]
  )


def _assert_close(found: list[steps.Tree], expected: list[np.ndarray]) -> None:
  for ours, theirs in zip(found, expected, strict=True):
    np.testing.assert_allclose(_flat(ours), theirs, rtol=2e-5, atol=1e-6)


def _learning_rate_free(**values: float) -> spec.Hyperparameters:
  return _point(
    factor=1.0,
    first_estimate=0.01,
    one_minus_beta1=0.1,
    beta2=0.99,
    weight_decay=0.2,
    warmup_factor=0.125,
    **values,
  )


def _prodigy(
  d: float, weight_decay: float, grads: list[steps.Tree]
) -> list[np.ndarray]:
  """arXiv 2306.06101, with Adam's bias correction."""
  x = x0 = _flat(steps.params())
  m = v = s = r = 0.0
  b3, found = np.sqrt(0.99), []
  for n, grad in enumerate(grads, start=1):
    g = _flat(grad)
    rate = _schedule(n - 1) * np.sqrt(1 - 0.99**n) / (1 - 0.9**n)
    m = 0.9 * m + 0.1 * d * g
    v = 0.99 * v + 0.01 * d**2 * g**2
    r = b3 * r + (1 - b3) * rate * d**2 * (g @ (x0 - x))
    s = b3 * s + (1 - b3) * d**2 * g  # Without the rate: the safeguard.
    new_d = max(d, r / np.abs(s).sum())
    step = m / (np.sqrt(v) + new_d * 1e-8) + weight_decay * x
    x = x - rate * d * step
    d = new_d
    found.append(x)
  return found


def test_prodigy():
  tx = prodigy.optimizer(_learning_rate_free(), _TOTAL)
  # All of one sign, which lets the estimate grow.
  grads = [jax.tree.map(np.abs, grad) for grad in steps.gradients(16)]
  found, state = steps.run(tx, steps.params(), grads)
  _assert_close(found, _prodigy(0.01, 0.2, grads))
  assert float(state.estim_lr) > 0.011


def test_d_adaptation():
  """arXiv 2301.07733, with Adam's bias correction."""
  tx = dadapt_adamw.optimizer(_learning_rate_free(), _TOTAL)
  grads = [jax.tree.map(np.abs, grad) for grad in steps.gradients(16)]
  found, state = steps.run(tx, steps.params(), grads)
  x = _flat(steps.params())
  m, v, s, r = 0.0, 0.0, np.zeros_like(x), 0.0
  d, root, expected = 0.01, np.sqrt(0.99), []
  for n, grad in enumerate(grads, start=1):
    g = _flat(grad)
    rate = d * _schedule(n - 1) * np.sqrt(1 - 0.99**n) / (1 - 0.9**n)
    r = root * r + (1 - root) * rate * (g @ (s / (np.sqrt(v) + 1e-8)))
    m = 0.9 * m + 0.1 * rate * g
    v = 0.99 * v + 0.01 * g**2
    s = root * s + (1 - root) * rate * g
    x = x - m / (np.sqrt(v) + 1e-8) - 0.2 * rate * x
    d = max(d, r / ((1 - root) * np.abs(s).sum()))
    expected.append(x)
  _assert_close(found, expected)
  assert float(state.estim_lr) > 0.011


def test_dog_and_the_average_of_its_iterates():
  tx = dog.optimizer(
    _point(factor=1.0, first_distance=0.01, weight_decay=0.1), 100
  )
  grads = steps.gradients(4)
  found, state = steps.run(tx, steps.params(), grads)
  x = x0 = average = _flat(steps.params())
  reach, total, expected = 0.01 * (1 + np.linalg.norm(x0)), 0.0, []
  for n, grad in enumerate(grads, start=1):
    g = _flat(grad) + 0.1 * x
    reach = max(reach, np.linalg.norm(x - x0))
    total += g @ g
    x = x - reach / np.sqrt(total + 1e-8) * g
    average = average + 9 / (n + 8) * (x - average)
    expected.append(x)
  _assert_close(found, expected)
  _assert_close([dog.eval_params(state, found[-1])], [average])


@pytest.mark.parametrize(
  ('losses', 'all_capped'), [(_LOSSES, True), ([0.05, 0.04, 0.03], False)]
)
def test_momo_adam(losses: list[float], all_capped: bool):
  """MoMo-Adam of arXiv 2305.07583, with steps at the cap and below it."""
  tx = momo.optimizer(steps.point(lower_bound=0.01), steps.FOREVER)
  grads = steps.gradients()
  found, _ = steps.run(
    tx, steps.params(), grads, lambda step: {'value': losses[step]}
  )
  x = _flat(steps.params())
  m = v = mean_loss = mean_slope = 0.0
  shrink, expected, capped = 1 + 0.1 * 0.2, [], []
  for n, (grad, loss) in enumerate(zip(grads, losses, strict=True), start=1):
    g = _flat(grad)
    m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
    mean_loss = 0.9 * mean_loss + 0.1 * loss
    mean_slope = 0.9 * mean_slope + 0.1 * (g @ x)
    scale = 1e-8 + np.sqrt(v / (1 - 0.99**n))
    gap = shrink * (mean_loss - (1 - 0.9**n) * 0.01 - mean_slope) + m @ x
    wanted = max(gap, 0.0) / (m @ (m / scale))
    capped.append(wanted > 0.1 / (1 - 0.9**n))
    x = x / shrink - min(0.1 / (1 - 0.9**n), wanted) * m / scale
    expected.append(x)
  _assert_close(found, expected)
  assert all(capped) == all_capped


@pytest.mark.parametrize('bound', [0.05, 10.0])
def test_polyak(bound):
  tx = polyak.optimizer(
    _point(c=2.0, bound=bound, warmup_factor=0.0), steps.FOREVER
  )
  grads = steps.gradients()
  found, _ = steps.run(
    tx, steps.params(), grads, lambda step: {'value': _LOSSES[step]}
  )
  x, expected = _flat(steps.params()), []
  for grad, loss in zip(grads, _LOSSES, strict=True):
    g = _flat(grad)
    x = x - min(loss / (2.0 * g @ g), bound) * g
    expected.append(x)
  _assert_close(found, expected)


def test_sam_takes_the_gradient_where_the_loss_is_worse():
  """On a loss whose gradient is known: the sum of fourth powers, over 4."""
  tx = sam.optimizer(steps.point(rho=0.5), steps.FOREVER)
  start = steps.params()

  def loss(params: Any) -> Any:
    return sum((leaf**4).sum() / 4 for leaf in jax.tree.leaves(params))

  now, found = jax.tree.map(jnp.asarray, start), []
  state = tx.init(now)
  for _ in range(3):
    updates, state = tx.update(jax.grad(loss)(now), state, now, value_fn=loss)
    now = optax.apply_updates(now, updates)
    found.append(jax.device_get(now))
  x, m, v, expected = _flat(start), 0.0, 0.0, []
  for n in range(1, 4):
    uphill = x**3
    g = (x + 0.5 * uphill / np.linalg.norm(uphill)) ** 3
    m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
    x = x - 0.1 * (steps.adam(m, v, n, 0.9, 0.99) + 0.2 * x)
    expected.append(x)
  _assert_close(found, expected)


def test_sam_survives_a_gradient_of_zeros():
  tx = sam.optimizer(steps.point(rho=0.5, weight_decay=0.0), steps.FOREVER)
  start = jax.tree.map(jnp.asarray, steps.params())
  nothing = jax.tree.map(jnp.zeros_like, start)
  updates, _ = tx.update(
    nothing,
    tx.init(start),
    start,
    value_fn=lambda params: 0.0 * params['bias'][0],
  )
  jax.tree.map(np.testing.assert_array_equal, updates, nothing)


def test_dadaptation_outlives_its_schedule():
  """Sums of past rates would be 0, and the estimate 0 / 0, after 18,000 steps.

  From then on the parameters would be NaN.
  """
  tx = dadapt_adamw.optimizer(_learning_rate_free(), 10)

  def step(carry: tuple, _: None) -> tuple[tuple, None]:
    params, state = carry
    updates, state = tx.update({'w': jnp.array([1.0, -2.0])}, state, params)
    return (optax.apply_updates(params, updates), state), None

  params = {'w': jnp.array([1.0, 1.0])}
  start = (params, tx.init(params))
  (params, _), _ = jax.lax.scan(step, start, length=50_000)
  assert np.isfinite(params['w']).all()
