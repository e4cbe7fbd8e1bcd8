"""Adam's relatives, array by array, against their papers' equations."""

from typing import Any

import jax
import numpy as np
import pytest

from submissions.adabelief import submission as adabelief
from submissions.adafactor import submission as adafactor
from submissions.adamp import submission as adamp
from submissions.ademamix import submission as ademamix
from submissions.lamb import submission as lamb
from submissions.lion import submission as lion
from tests.submissions import steps

_RATE, _DECAY = 0.1, 0.2  # Of steps.point().


def _check(tx: Any, rule: Any, rows: int = 3, columns: int = 3) -> None:
  start = steps.params(rows, columns)
  grads = steps.gradients(3, rows, columns)
  found, _ = steps.run(tx, start, grads)
  steps.assert_close(found, steps.simulate(rule, start, grads))


def test_lamb():
  def rule(name, p, g, memory, n):
    m, v = steps.moments(memory, g, 0.9, 0.99)
    direction = steps.adam(m, v, n, 0.9, 0.99) + _DECAY * p
    ratio = np.linalg.norm(p) / np.linalg.norm(direction)
    return p - _RATE * ratio * direction

  _check(lamb.optimizer(steps.point(), steps.FOREVER), rule)


def test_lamb_moves_an_array_of_zeros():
  start = {'kernel': np.zeros((2, 2), np.float32)}
  grads = [{'kernel': np.ones((2, 2), np.float32)}]
  found, _ = steps.run(
    lamb.optimizer(steps.point(), steps.FOREVER), start, grads
  )
  np.testing.assert_allclose(found[0]['kernel'], -_RATE, rtol=1e-6)


def test_lion():
  tx = lion.optimizer(steps.point(beta1=0.9, beta2=0.99), steps.FOREVER)

  def rule(name, p, g, memory, n):
    m = memory.get('m', 0.0)
    memory['m'] = 0.99 * m + 0.01 * g
    return p - _RATE * (np.sign(0.9 * m + 0.1 * g) + _DECAY * p)

  _check(tx, rule)


def test_adabelief():
  def rule(name, p, g, memory, n):
    memory['m'] = 0.9 * memory.get('m', 0.0) + 0.1 * g
    surprise = (g - memory['m']) ** 2
    memory['s'] = 0.99 * memory.get('s', 0.0) + 0.01 * surprise + 1e-16
    direction = steps.adam(memory['m'], memory['s'], n, 0.9, 0.99, 1e-16)
    return p - _RATE * (direction + _DECAY * p)

  _check(adabelief.optimizer(steps.point(), steps.FOREVER), rule)


def test_ademamix():
  total = 4  # Short, so that both schedules change from step to step.
  tx = ademamix.optimizer(
    steps.point(alpha=5.0, slow_horizon_factor=25.0), total
  )

  def rule(name, p, g, memory, n):
    part = (n - 1) / total
    alpha = 5.0 * part
    low, high = np.log(0.9), np.log(0.99)  # 1 / (1 − 0.99) is 25 · 4.
    b3 = np.exp(low * high / ((1 - part) * high + part * low))
    m, v = steps.moments(memory, g, 0.9, 0.99)
    memory['slow'] = b3 * memory.get('slow', 0.0) + (1 - b3) * g
    direction = (m / (1 - 0.9**n) + alpha * memory['slow']) / (
      np.sqrt(v / (1 - 0.99**n)) + 1e-8
    )
    rate = _RATE * (1 + np.cos(np.pi * part)) / 2
    return p - rate * (direction + _DECAY * p)

  _check(tx, rule)


def test_ademamixs_slow_decay_grows_from_the_fast_ones():
  schedule = ademamix.slow_decay(0.9, 0.999, 100)
  half_life = [np.log(0.5) / np.log(float(schedule(t))) for t in (0, 50, 100)]
  ends = [np.log(0.5) / np.log(decay) for decay in (0.9, 0.999)]
  expected = [ends[0], (ends[0] + ends[1]) / 2, ends[1]]
  np.testing.assert_allclose(half_life, expected, rtol=1e-3)
  assert float(schedule(1000)) == pytest.approx(0.999)


@pytest.mark.parametrize('shape', [(3, 4), (128, 130), (140, 128)])
def test_adafactor(shape):
  tx = adafactor.optimizer(steps.point(), steps.FOREVER)

  def rule(name, p, g, memory, n):
    decay = 0.99 * (1 - 0.99 ** (n - 1)) / (1 - 0.99**n)
    square = g**2 + 1e-30
    if min(shape) >= 128 and g.ndim == 2:  # Row and column means.
      for axis, key in ((1, 'row'), (0, 'column')):
        memory[key] = decay * memory.get(key, 0.0) + (1 - decay) * square.mean(
          axis=axis
        )
      row, column = memory['row'], memory['column']
      v = np.outer(row, column) / row.mean()
    else:
      memory['v'] = decay * memory.get('v', 0.0) + (1 - decay) * square
      v = memory['v']
    u = g / np.sqrt(v)
    u /= max(1.0, np.sqrt((u**2).mean()))
    memory['m'] = 0.9 * memory.get('m', 0.0) + 0.1 * u
    return p - _RATE * (memory['m'] + _DECAY * p)

  _check(tx, rule, *shape)


def test_adafactors_state_is_a_row_and_a_column():
  start = steps.params(128, 130)
  _, state = steps.run(
    adafactor.optimizer(steps.point(), steps.FOREVER),
    start,
    steps.gradients(1, 128, 130),
  )
  factored = state[0]
  sizes = {factored.v_row['kernel'].size, factored.v_col['kernel'].size}
  assert sizes == {128, 130}
  assert factored.v['kernel'].size == 1


class TestAdamP:
  def _rule(self, projected: str | None) -> Any:
    """AdamP, with the outcome of its test for the kernel as given."""

    def rule(name, p, g, memory, n):
      m, v = steps.moments(memory, g, 0.9, 0.99)
      direction, decay = steps.adam(m, v, n, 0.9, 0.99), _DECAY
      if name == 'kernel' and projected:
        axis = {'outputs': 0, 'whole': None}[projected]
        length = np.sqrt((p**2).sum(axis=axis, keepdims=True))
        unit = p / length
        along = (unit * direction).sum(axis=axis, keepdims=True)
        direction, decay = direction - along * unit, 0.1 * _DECAY
      return p - _RATE * (direction + decay * p)

    return rule

  def _check(self, grads: list[steps.Tree], projected: str | None) -> None:
    tx = adamp.optimizer(steps.point(), steps.FOREVER, steps.TYPES)
    start = steps.params(4, 3)
    found, _ = steps.run(tx, start, grads)
    steps.assert_close(
      found, steps.simulate(self._rule(projected), start, grads)
    )

  def test_gradients_along_the_weights_make_it_adamw(self):
    start = steps.params(4, 3)
    grads = [
      jax.tree.map(lambda leaf, scale=scale: leaf * scale, start)
      for scale in (1.0, 0.5, 2.0)
    ]
    self._check(grads, None)

  def test_gradients_orthogonal_for_each_output(self):
    start = steps.params(4, 3)
    (grad,) = steps.gradients(1, 4, 3)
    w = start['kernel']
    grad['kernel'] -= w * (w * grad['kernel']).sum(0) / (w**2).sum(0)
    self._check([grad], 'outputs')

  def test_gradients_orthogonal_in_all_only(self):
    start = steps.params(4, 3)
    w = start['kernel']
    lengths = (w**2).sum(0)  # One output is longer by this, two are shorter.
    signs = np.array([1.0, -lengths[0] / lengths[1], 0.0])
    grad = {'kernel': w * signs, 'bias': start['bias']}
    grad = {key: leaf.astype(np.float32) for key, leaf in grad.items()}
    self._check([grad], 'whole')

  @pytest.mark.parametrize(
    ('each', 'whole', 'projected'),
    [  # Cosines; the bounds are 0.1/√4 = 0.05 and 0.1/√12 = 0.029.
      ((0.04, 0.04, 0.04), None, 'outputs'),
      ((0.04, 0.06, 0.04), None, None),
      ((0.1, None, 0.0), 0.02, 'whole'),
      ((0.1, None, 0.0), 0.04, None),
    ],
  )
  def test_what_counts_as_orthogonal(self, each, whole, projected):
    start = steps.params(4, 3)
    (grad,) = steps.gradients(1, 4, 3)
    w, g = start['kernel'], grad['kernel']
    lengths = (w**2).sum(0)
    g -= w * (w * g).sum(0) / lengths
    g *= np.sqrt(lengths / (g**2).sum(0))
    cosines = np.array([0.0 if cosine is None else cosine for cosine in each])
    if whole is not None:
      cosines[1] = (whole * lengths.sum() - cosines @ lengths) / lengths[1]
    g += cosines.astype(np.float32) * w
    self._check([grad], projected)
