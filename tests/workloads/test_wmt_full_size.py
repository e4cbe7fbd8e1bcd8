"""The full-size translation models against figures of the reference."""

import collections

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf import spec
from workloads import registry


@pytest.mark.parametrize(
  'name, size, leaves',
  [
    ('wmt', 133_521_408, 185),
    ('wmt_post_ln', 133_517_312, 181),
    ('wmt_attention_temp', 133_521_408, 185),
    ('wmt_glu_tanh', 146_116_608, 209),
  ],
)
def test_full_size_counts_match_algoperf(name, size, leaves):
  work = registry.get(name)
  params, state = jax.eval_shape(work.init_model_fn, jax.random.PRNGKey(0))
  assert state is None
  assert sum(leaf.size for leaf in jax.tree.leaves(params)) == size
  assert len(jax.tree.leaves(params)) == leaves
  assert set(params) == {'encoder', 'decoder', 'shared_embedding'}
  assert [key for key in params if work.is_output_params(key)] == [
    'shared_embedding'
  ]


def test_full_size_types_match_algoperf():
  work = registry.get('wmt')
  jax.eval_shape(work.init_model_fn, jax.random.PRNGKey(0))
  types = jax.tree.leaves(work.model_params_types)
  assert collections.Counter(kind.name for kind in types) == {
    'LAYER_NORM_SCALE': 32,
    'LAYER_NORM_BIAS': 32,
    'WEIGHT': 24,
    'BIAS': 24,
    'ATTENTION_Q': 18,
    'ATTENTION_K': 18,
    'ATTENTION_V': 18,
    'ATTENTION_OUT': 18,
    'EMBEDDING': 1,
  }


def _filled(shapes):
  """Parameters by the rule of the reference's fingerprints: a normal sample of
  the seed N for a matrix of N entries, over the root of its fan-in."""

  def fill(path, leaf):
    if len(leaf.shape) == 1:
      scale = path[-1] == 'scale'
      seed = leaf.size if scale else leaf.size + 1
      values = scale + 0.1 * np.random.RandomState(seed).standard_normal(
        leaf.size
      )
    else:
      into_heads = path[-2] in ('query', 'key', 'value')
      fan_out = np.prod(leaf.shape[-2:] if into_heads else leaf.shape[-1:])
      values = np.random.RandomState(leaf.size).standard_normal(leaf.size)
      values /= np.sqrt(leaf.size / fan_out)
    return values.astype(np.float32).reshape(leaf.shape)

  return traverse_util.path_aware_map(fill, shapes)


@pytest.mark.long
def test_full_size_outputs_match_algoperf():
  """Against figures computed with the reference implementation."""
  work = registry.get('wmt')
  shapes, _ = jax.eval_shape(work.init_model_fn, jax.random.PRNGKey(0))
  params = _filled(shapes)
  inputs = np.random.RandomState(0).randint(3, 32_000, (2, 16))
  targets = np.random.RandomState(1).randint(3, 32_000, (2, 16))
  inputs[0, 12:] = inputs[1, 10:] = targets[0, 13:] = targets[1, 9:] = 0
  batch = {'inputs': inputs, 'targets': targets}

  def summed_loss(params):
    logits, _ = work.model_fn(
      params, batch, None, spec.ForwardPassMode.EVAL, None, False
    )
    weights = (targets > 0).astype(np.float32)
    return work.loss_fn(targets, logits, weights, 0.1)['summed'], logits

  (loss, logits), gradient = jax.jit(
    jax.value_and_grad(summed_loss, has_aux=True)
  )(params)
  norms = jax.tree.map(jnp.linalg.norm, jax.tree.map(jnp.ravel, gradient))
  measured = [
    logits.std(),
    abs(logits).sum(),
    loss,
    np.linalg.norm(jax.tree.leaves(norms)),
    norms['shared_embedding']['embedding'],
    *logits[0, 0, :4],
  ]
  expected = [0.00571769, 4665.45, 228.2332, 4.39063, 4.29562]
  expected += [-4.43851e-5, 0.0107966, 0.00155229, 0.00198496]
  # Float32, in another order of summation than the reference's; the smallest
  # logit, a hundredth of the others, has fewer digits.
  np.testing.assert_allclose(measured, expected, rtol=1e-4, atol=1e-7)
