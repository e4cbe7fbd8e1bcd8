"""Methods that treat matrices apart, against numpy's linear algebra."""

import os
import pathlib
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from algoperf import spec
from submissions import matrices
from submissions.adamp import submission as adamp
from submissions.muon import submission as muon
from submissions.shampoo import roots
from submissions.shampoo import submission as shampoo
from submissions.soap import submission as soap
from tests.submissions import steps

_ROOT = pathlib.Path(__file__).parents[2]
_KIND = spec.ParameterType


@pytest.mark.parametrize(
  ('kind', 'dims', 'expected'),
  [
    (_KIND.WEIGHT, (5, 7), (5, 7)),
    (_KIND.CONV_WEIGHT, (3, 3, 8, 16), (72, 16)),
    (_KIND.ATTENTION_Q, (64, 2, 32), (64, 64)),
    (_KIND.ATTENTION_QKV, (64, 3, 2, 32), (64, 192)),
    (_KIND.ATTENTION_OUT, (2, 32, 48), (64, 48)),
    (_KIND.EMBEDDING, (100, 8), None),
    (_KIND.BIAS, (7,), None),
    (_KIND.LAYER_NORM_SCALE, (), None),
    (_KIND.ATTENTION_BIAS, (2, 32), None),
  ],
)
def test_which_parameters_are_matrices(kind, dims, expected):
  split = matrices.num_input_axes(kind, len(dims))
  if expected is None:
    assert split is None
  else:
    assert matrices.shape(kind, dims) == expected


def _newton_schulz(g: np.ndarray) -> np.ndarray:
  """Five quintic iterations, as Jordan et al. give them."""
  x = g if g.shape[0] <= g.shape[1] else g.T
  x = x / np.linalg.norm(x)
  for _ in range(5):
    a = x @ x.T
    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
  return x if g.shape[0] <= g.shape[1] else x.T


@pytest.mark.parametrize('shape', [(3, 5), (5, 3)])
def test_muon_and_adam_for_the_bias(shape):
  tx = muon.optimizer(steps.point(momentum=0.95), steps.FOREVER, steps.TYPES)

  def rule(name, p, g, memory, n):
    b = 0.95 if name == 'kernel' else 0.9
    memory['m'] = b * memory.get('m', 0.0) + (1 - b) * g
    # Optax's Nesterov momentum: each part corrected for its own bias.
    ahead = b * memory['m'] / (1 - b ** (n + 1)) + (1 - b) * g / (1 - b**n)
    if name == 'kernel':
      direction = _newton_schulz(ahead) * 0.2 * max(shape) ** 0.5
    else:
      memory['v'] = 0.99 * memory.get('v', 0.0) + 0.01 * g**2
      direction = ahead / (np.sqrt(memory['v'] / (1 - 0.99**n)) + 1e-8)
    return p - 0.1 * (direction + 0.2 * p)

  start, grads = steps.params(*shape), steps.gradients(3, *shape)
  found, _ = steps.run(tx, start, grads)
  # Five iterations multiply float32's rounding.
  steps.assert_close(found, steps.simulate(rule, start, grads), rtol=1e-4)


@pytest.mark.parametrize(
  ('module', 'values'),
  [
    (muon, {'momentum': 0.95}),
    (soap, {'eigenvector_period': 2}),
    (shampoo, {}),
    (adamp, {}),
  ],
)
def test_a_kernel_of_attention_is_treated_as_its_matrix(module, values):
  flat, shaped = steps.params(4, 6), steps.params(4, 6)
  grads = steps.gradients(3, 4, 6)
  shaped['kernel'] = shaped['kernel'].reshape(4, 2, 3)
  shaped_grads = [
    grad | {'kernel': grad['kernel'].reshape(4, 2, 3)} for grad in grads
  ]
  types = steps.TYPES | {'kernel': _KIND.ATTENTION_K}
  point = steps.point(**values)
  found, _ = steps.run(
    module.optimizer(point, 100, types), shaped, shaped_grads
  )
  expected, _ = steps.run(
    module.optimizer(point, 100, steps.TYPES), flat, grads
  )
  for ours, theirs in zip(found, expected, strict=True):
    np.testing.assert_allclose(
      ours['kernel'].reshape(4, 6), theirs['kernel'], rtol=1e-5
    )


@pytest.mark.parametrize('period', [1, 2])
def test_soap(period):
  """SOAP; square matrices, for their eigenvectors are definite."""
  tx = soap.optimizer(
    steps.point(eigenvector_period=period), steps.FOREVER, steps.TYPES
  )

  def rule(name, p, g, memory, n):
    if name == 'kernel':
      for side, square in (('L', g @ g.T), ('R', g.T @ g)):
        memory[side] = 0.99 * memory.get(side, 0.0) + 0.01 * square
    if n == 1:  # Starts the bases only; the decay is not the method's.
      for side in 'LR' if name == 'kernel' else '':
        memory['Q' + side] = np.linalg.eigh(memory[side])[1][:, ::-1]
      direction = 0.0
    else:
      ql, qr = (memory.get(q, np.eye(len(p))) for q in ('QL', 'QR'))
      rotate = (lambda a: ql.T @ a @ qr) if name == 'kernel' else np.array
      memory['m'] = 0.9 * memory.get('m', 0.0) + 0.1 * g
      memory['v'] = 0.99 * memory.get('v', 0.0) + 0.01 * rotate(g) ** 2
      direction = steps.adam(rotate(memory['m']), memory['v'], n - 1, 0.9, 0.99)
      if name == 'kernel':
        direction = ql @ direction @ qr.T
    if name == 'kernel' and n % period == 0:
      for side in 'LR':
        memory['Q' + side] = np.linalg.qr(memory[side] @ memory['Q' + side])[0]
    return p - 0.1 * (direction + 0.2 * p)

  start, grads = steps.params(), steps.gradients(5)
  found, _ = steps.run(tx, start, grads)
  # Eigenvectors in float32 against float64.
  steps.assert_close(found, steps.simulate(rule, start, grads), rtol=1e-3)


def test_soap_turns_no_side_that_is_too_long(monkeypatch: pytest.MonkeyPatch):
  monkeypatch.setattr(soap, '_MAX_SIDE', 3)
  tx = soap.scale_by_soap(steps.TYPES, 0.9, 0.99, period=2)
  grads = steps.gradients(4, 5, 3)
  grads = [grad | {'kernel': grad['kernel'] + 1} for grad in grads]
  start = steps.params(5, 3)
  found, state = steps.run(tx, start, grads)
  left, right = state.leaves[1].left, state.leaves[1].right
  assert left is None
  assert right.basis.shape == (3, 3)

  def rule(name, p, g, memory, n):
    if name == 'bias':
      return p
    memory['R'] = 0.99 * memory.get('R', 0.0) + 0.01 * g.T @ g
    if n == 1:
      memory['Q'] = np.linalg.eigh(memory['R'])[1][:, ::-1]
      return p
    memory['m'] = 0.9 * memory.get('m', 0.0) + 0.1 * g
    memory['v'] = 0.99 * memory.get('v', 0.0) + 0.01 * (g @ memory['Q']) ** 2
    direction = steps.adam(
      memory['m'] @ memory['Q'], memory['v'], n - 1, 0.9, 0.99
    )
    p = p + direction @ memory['Q'].T
    if n % 2 == 0:
      memory['Q'] = np.linalg.qr(memory['R'] @ memory['Q'])[0]
    return p

  expected = steps.simulate(rule, start, grads)
  # Eigenvectors in float32 against float64.
  for ours, theirs in zip(found, expected, strict=True):
    np.testing.assert_allclose(ours['kernel'], theirs['kernel'], rtol=1e-3)


def test_soap_keeps_the_bases_orthogonal():
  tx = soap.scale_by_soap(steps.TYPES, 0.9, 0.99, period=3)
  _, state = steps.run(tx, steps.params(6, 3), steps.gradients(10, 6, 3))
  _, kernel = state.leaves  # In the order of their names.
  for side, length in ((kernel.left, 6), (kernel.right, 3)):
    np.testing.assert_allclose(
      side.basis.T @ side.basis, np.eye(length), atol=1e-5
    )


@pytest.mark.parametrize('block', [2, 3, 8])
def test_shampoo(block):
  """Three updates grafted alone, then whitened, with roots of every other."""
  tx = shampoo.scale_by_shampoo(
    steps.TYPES, 0.9, 0.99, block=block, start=3, period=2
  )

  def whitened(g, memory, n):
    found = np.zeros_like(g)
    for i in range(0, g.shape[0], block):
      for j in range(0, g.shape[1], block):
        part = g[i : i + block, j : j + block]
        for side, square in (('L', part @ part.T), ('R', part.T @ part)):
          key = side, i, j
          memory[key] = 0.99 * memory.get(key, 0.0) + 0.01 * square
          if n >= 3 and (n - 3) % 2 == 0:
            values, vectors = np.linalg.eigh(memory[key])
            ridged = np.maximum(values, 0) + 1e-6 * values.max()
            memory['root', *key] = vectors @ np.diag(ridged**-0.25) @ vectors.T
        if n >= 3:
          left, right = memory['root', 'L', i, j], memory['root', 'R', i, j]
          found[i : i + block, j : j + block] = left @ part @ right
    return found

  def rule(name, p, g, memory, n):
    unit = g / np.linalg.norm(g)
    memory['v'] = 0.99 * memory.get('v', 0.0) + 0.01 * unit**2
    graft = unit / (np.sqrt(memory['v'] / (1 - 0.99**n)) + 1e-8)
    direction = graft
    if name == 'kernel':
      found = whitened(g, memory, n)
      if n >= 3:
        direction = found * np.linalg.norm(graft) / np.linalg.norm(found)
    memory['m'] = 0.9 * memory.get('m', 0.0) + 0.1 * direction
    return p + (0.9 * memory['m'] + 0.1 * direction) / (1 - 0.9**n)

  # Many more columns than steps: moments of full rank need enough gradients,
  # or rounding decides the smallest eigenvalues; so few rows and columns.
  start, grads = steps.params(3, 4), steps.gradients(6, 3, 4)
  found, _ = steps.run(tx, start, grads)
  steps.assert_close(found, steps.simulate(rule, start, grads), rtol=2e-3)


def test_shampoo_whitens_after_a_hundred_updates():
  """The whole optimizer: decay, and roots of every twentieth update."""
  start, grads = steps.params(3, 4), steps.gradients(122, 3, 4)
  found, _ = steps.run(
    shampoo.optimizer(steps.point(), steps.FOREVER, steps.TYPES), start, grads
  )
  plain = optax.chain(
    shampoo.scale_by_shampoo(
      steps.TYPES, 0.9, 0.99, block=1024, start=101, period=20
    ),
    optax.add_decayed_weights(0.2),
    optax.scale(-0.1),
  )
  expected, _ = steps.run(plain, start, grads)
  steps.assert_close(found, expected)
  grafted, _ = steps.run(
    shampoo.scale_by_shampoo(steps.TYPES, 0.9, 0.99, start=123), start, grads
  )
  whitened, _ = steps.run(
    shampoo.scale_by_shampoo(steps.TYPES, 0.9, 0.99), start, grads
  )
  same = [
    np.array_equal(a['kernel'], b['kernel'])
    for a, b in zip(grafted, whitened, strict=True)
  ]
  assert same.index(False) == 100


def test_inverse_fourth_roots():
  generator = np.random.default_rng(3)
  tree = []
  for size in (4, 2, 4, 1):
    factor = generator.normal(size=(size, size + 3))
    tree.append(factor @ factor.T)
  found = roots.inverse_fourth_roots([jnp.asarray(leaf) for leaf in tree])
  for ours, leaf in zip(found, tree, strict=True):
    power = np.linalg.matrix_power(np.asarray(ours, np.float64), 4)
    np.testing.assert_allclose(power @ leaf, np.eye(len(leaf)), atol=1e-3)
  (root,) = roots.inverse_fourth_roots([jnp.zeros((3, 3))])
  np.testing.assert_array_equal(root, np.eye(3))


_DIVIDED = """
import jax, jax.numpy as jnp, numpy as np
from submissions.shampoo import roots
assert jax.device_count() == 4
generator = np.random.default_rng(3)
tree = [jnp.asarray(m @ m.T) for m in generator.normal(size=(6, 5, 9))]
divided = jax.jit(roots.inverse_fourth_roots)(tree)
text = jax.jit(roots.inverse_fourth_roots).lower(tree).as_text()
assert 'tensor<2x5x5xf32>' in text  # Two of eight, padding included.
whole = roots._roots(jnp.stack(tree))
np.testing.assert_allclose(jnp.stack(divided), whole, rtol=1e-4, atol=1e-5)
assert all(root.sharding.is_fully_replicated for root in divided)
"""


def test_roots_are_divided_over_the_devices():
  subprocess.run(
    [sys.executable, '-c', _DIVIDED],
    check=True,
    cwd=_ROOT,
    env=os.environ
    | {
      'JAX_PLATFORMS': 'cpu',
      'XLA_FLAGS': '--xla_force_host_platform_device_count=4',
    },
  )
