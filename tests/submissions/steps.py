"""Steps of an optimizer on two arrays, to compare with numpy's.

Gradients are fixed, so that nothing but the update rule is under test.
"""

import collections
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from algoperf import spec

Tree = dict[str, np.ndarray]

TYPES = {
  'kernel': spec.ParameterType.WEIGHT,
  'bias': spec.ParameterType.BIAS,
}
FOREVER = 10**9  # So many steps that no schedule's decay is seen.


def params(rows: int = 3, columns: int = 3) -> Tree:
  """A kernel and a bias in float32."""
  generator = np.random.default_rng(7)
  return {
    'kernel': generator.normal(size=(rows, columns)).astype(np.float32),
    'bias': generator.normal(size=columns).astype(np.float32),
  }


def gradients(number: int = 3, rows: int = 3, columns: int = 3) -> list[Tree]:
  """One tree for each step."""
  generator = np.random.default_rng(11)
  return [
    {
      'kernel': generator.normal(size=(rows, columns)).astype(np.float32),
      'bias': generator.normal(size=columns).astype(np.float32),
    }
    for _ in range(number)
  ]


def run(
  tx: optax.GradientTransformation,
  start: Tree,
  grads: list[Tree],
  extra: Callable[[int], dict[str, Any]] = lambda step: {},
) -> tuple[list[Tree], optax.OptState]:
  """The parameters after each step, and the last state."""
  tx = optax.with_extra_args_support(tx)

  @jax.jit
  def update(
    grad: Any, state: optax.OptState, now: Any, extra: dict[str, Any]
  ) -> tuple[Any, optax.OptState]:
    updates, state = tx.update(grad, state, now, **extra)
    return optax.apply_updates(now, updates), state

  now = jax.tree.map(jnp.asarray, start)
  state, found = jax.jit(tx.init)(now), []
  for step, grad in enumerate(grads):
    now, state = update(grad, state, now, extra(step))
    found.append(jax.device_get(now))
  return found, state


def assert_close(
  found: list[Tree], expected: list[Tree], rtol: float = 2e-5
) -> None:
  """Equal to float32's rounding, summed over some steps."""
  for ours, theirs in zip(found, expected, strict=True):
    for name, value in theirs.items():
      np.testing.assert_allclose(ours[name], value, rtol=rtol, atol=1e-6)


def adam(
  m: np.ndarray, v: np.ndarray, n: int, b1: float, b2: float, eps: float = 1e-8
) -> np.ndarray:
  """Adam's direction after n gradients."""
  return m / (1 - b1**n) / (np.sqrt(v / (1 - b2**n)) + eps)


def simulate(
  rule: Callable[..., np.ndarray], start: Tree, grads: list[Tree]
) -> list[Tree]:
  """The steps of a rule that treats each array alone, in float64.

  Args:
    rule: (name, parameter, gradient, memory, n) → new parameter, where memory
      is a dictionary that it may write in, and n counts from 1.
    start: the parameters.
    grads: a tree for each step.
  """
  now = {name: leaf.astype(np.float64) for name, leaf in start.items()}
  memory = {name: {} for name in now}
  found = []
  for n, grad in enumerate(grads, start=1):
    now = {
      name: rule(name, leaf, grad[name].astype(np.float64), memory[name], n)
      for name, leaf in now.items()
    }
    found.append(now)
  return found


def moments(
  memory: dict[str, Any], g: np.ndarray, b1: float, b2: float
) -> tuple[np.ndarray, np.ndarray]:
  """Adam's two moments after one more gradient."""
  memory['m'] = b1 * memory.get('m', 0.0) + (1 - b1) * g
  memory['v'] = b2 * memory.get('v', 0.0) + (1 - b2) * g**2
  return memory['m'], memory['v']


def point(**values: Any) -> spec.Hyperparameters:
  """Hyperparameters of an Adam without warm-up, some of them replaced."""
  values = {
    'learning_rate': 0.1,
    'one_minus_beta1': 0.1,
    'beta2': 0.99,
    'weight_decay': 0.2,
    'warmup_factor': 0.0,
  } | values
  return collections.namedtuple('Hyperparameters', values)(**values)
