"""What is evaluated in place of the parameters, and that training goes on."""

import collections

import jax
import numpy as np
import optax

from algoperf import spec
from submissions import averaging
from submissions.lookahead import submission as lookahead
from submissions.nadamw import submission as nadamw
from submissions.nadamw_ema import submission as nadamw_ema
from submissions.nadamw_lawa import submission as nadamw_lawa
from submissions.schedule_free_adamw import submission as schedule_free
from tests.submissions import steps


def _point(**values: float) -> spec.Hyperparameters:
  return collections.namedtuple('Hyperparameters', values)(**values)


def _nadamws_iterates(number: int) -> list[steps.Tree]:
  tx = nadamw.optimizer(steps.point(), 100)
  found, _ = steps.run(tx, steps.params(), steps.gradients(number))
  return found


def test_exponential_average():
  point = steps.point(average_factor=0.04)  # 4 of 100 steps: decay 0.75.
  tx = nadamw_ema.optimizer(point, 100)
  found, state = steps.run(tx, steps.params(), steps.gradients(40))
  iterates = _nadamws_iterates(40)
  steps.assert_close(found, iterates)
  average = steps.params()
  for n, iterate in enumerate(iterates, start=1):
    weight = max(0.25, 10 / (n + 9))  # The latter until n = 31.
    average = {
      name: leaf + weight * (iterate[name] - leaf)
      for name, leaf in average.items()
    }
  steps.assert_close([nadamw_ema.eval_params(state, None)], [average])


def test_polynomial_average_of_gamma_0_is_the_mean():
  tx = averaging.running(optax.sgd(0.1), averaging.polynomial(0.0))
  found, state = steps.run(tx, steps.params(), steps.gradients(5))
  mean = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *found)
  steps.assert_close([state.average], [mean])


def test_latest_weight_average():
  point = steps.point(interval_factor=0.02, num_checkpoints=3)  # Every 2nd.
  tx = nadamw_lawa.optimizer(point, 100)
  iterates = _nadamws_iterates(9)
  for number, kept in ((1, None), (5, [2, 4]), (9, [4, 6, 8])):
    found, state = steps.run(tx, steps.params(), steps.gradients(9)[:number])
    steps.assert_close(found, iterates[:number])
    expected = iterates[number - 1]
    if kept:
      expected = jax.tree.map(
        lambda *leaves: np.mean(leaves, axis=0),
        *(iterates[n - 1] for n in kept),
      )
    steps.assert_close([nadamw_lawa.eval_params(state, found[-1])], [expected])


def test_lookahead():
  tx = lookahead.lookahead(optax.sgd(0.1), sync_period=2, slow_step_size=0.25)
  start, grads = steps.params(), steps.gradients(5)
  found, state = steps.run(tx, start, grads)
  fast, slow, expected = start, start, []
  for n, grad in enumerate(grads, start=1):
    fast = jax.tree.map(lambda p, g: p - 0.1 * g, fast, grad)
    if n % 2 == 0:
      slow = jax.tree.map(lambda s, f: s + 0.25 * (f - s), slow, fast)
      fast = slow
    expected.append(fast)
  steps.assert_close(found, expected)
  steps.assert_close([lookahead.eval_params(state, found[-1])], [slow])


def test_schedule_free_adamw():
  """arXiv 2405.15682, with x, y and z apart."""
  point = steps.point(warmup_factor=0.02)  # Two of 100 steps.
  start, grads = steps.params(), steps.gradients(4)
  found, state = steps.run(schedule_free.optimizer(point, 100), start, grads)
  averages = {}

  def rule(name, y, g, memory, n):
    x, z = memory.get('x', y), memory.get('z', y)
    memory['v'] = 0.99 * memory.get('v', 0.0) + 0.01 * g**2
    rate = 0.1 * np.sqrt(1 - 0.99**n) * min(1.0, n / 2)
    z = z - rate * g / (np.sqrt(memory['v']) + 1e-8) - rate * 0.2 * y
    memory['total'] = memory.get('total', 0.0) + rate**2
    c = rate**2 / memory['total']
    x = (1 - c) * x + c * z
    memory['x'], memory['z'], averages[name] = x, z, x
    return 0.1 * z + 0.9 * x

  steps.assert_close(found, steps.simulate(rule, start, grads))
  steps.assert_close([schedule_free.eval_params(state, found[-1])], [averages])
