"""Dimensions: B batch, L sequence, D width, H heads, K head width."""

import dataclasses
import functools

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf import spec
from workloads.language_model import attention, configs, model, workload

TINY = dataclasses.replace(
  configs.SHAKESPEARE,
  vocab_size=11,
  sequence_length=6,
  width=8,
  heads=2,
  layers=2,
  mlp_width=12,
  init_std=0.3,
)
VARIANTS = configs.with_variants(TINY)


def _count(params) -> int:
  return sum(leaf.size for leaf in jax.tree.leaves(params))


def _shapes(config: configs.Config):
  work = workload.LanguageModelWorkload(config)
  return work, jax.eval_shape(work.init_model_fn, jax.random.PRNGKey(0))[0]


def _params(config: configs.Config, seed: int = 0):
  work = workload.LanguageModelWorkload(config)
  return work.init_model_fn(jax.random.PRNGKey(seed))[0]


def test_full_size_has_the_published_number_of_parameters():
  _, params = _shapes(configs.FINEWEBEDU)
  assert _count(params) == 252_815_372
  assert _count(params['blocks_7']) == 16_779_265
  assert _count(params['embed']) == 50_257 * 1024
  assert set(params) == {'embed', 'out_ln', *(f'blocks_{i}' for i in range(12))}


@pytest.mark.parametrize(
  ('variant', 'difference'),
  [
    ('layernorm', 25 * 1024),  # A bias for each of 2 · 12 + 1 norms.
    ('gelu_mlp', -12 * 1024 * 4096),  # No gate.
    ('no_qk_norm', -12),  # No learned scale.
  ],
)
def test_variants_differ_by_the_parameters_they_should(variant, difference):
  by_name = {config.name: config for config in configs.ALL}
  _, params = _shapes(by_name[f'finewebedu_lm_{variant}'])
  assert _count(params) == 252_815_372 + difference


@pytest.mark.parametrize('config', configs.ALL, ids=lambda c: c.name)
def test_every_parameter_has_a_type(config):
  work, params = _shapes(config)
  paths = {
    tuple(key.lower() for key in path)
    for path in traverse_util.flatten_dict(params)
  }
  types = traverse_util.flatten_dict(work.model_params_types)
  assert set(types) == paths
  roles = {
    path[-2]: kind.name for path, kind in types.items() if path[-1] == 'kernel'
  }
  expected = {
    'query': 'ATTENTION_Q',
    'key': 'ATTENTION_K',
    'value': 'ATTENTION_V',
    'attn_out_proj': 'ATTENTION_OUT',
    'dense_0': 'WEIGHT',
    'dense_1': 'WEIGHT',
  }
  if config.output == 'dense':
    expected['logits'] = 'WEIGHT'
  assert roles == expected


def test_rotation_is_multiplication_by_a_unit_complex_number():
  x = np.random.default_rng(0).standard_normal((2, 7, 3, 8)).astype(np.float32)
  turned = x[..., 0::2] + 1j * x[..., 1::2]
  rate = 500_000.0 ** (-2 * np.arange(4) / 8)
  turned = turned * np.exp(1j * np.arange(7)[:, None, None] * rate)
  expected = np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)
  # Float32 angles up to 6 are exact to about 5e-7.
  np.testing.assert_allclose(
    attention.rotate(jnp.array(x)), expected, atol=5e-6
  )


def test_rotated_dot_products_depend_on_distance_only():
  rng = np.random.default_rng(1)
  q_K, k_K = rng.standard_normal((2, 16)).astype(np.float32)
  everywhere = (1, 9, 1, 16)
  q_LxK = np.array(attention.rotate(jnp.broadcast_to(q_K, everywhere)))[0, :, 0]
  k_LxK = np.array(attention.rotate(jnp.broadcast_to(k_K, everywhere)))[0, :, 0]
  dots_LxL = q_LxK @ k_LxK.T
  for offset in range(-8, 9):
    diagonal = np.diagonal(dots_LxL, offset)
    np.testing.assert_allclose(diagonal, diagonal[0], atol=2e-5)
  assert np.ptp(dots_LxL) > 0.1


def _attention(config, params, x_LxD):
  """Attention of one sequence in float64, position by position."""
  params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
  length, head_width = len(x_LxD), config.width // config.heads
  rate = 500_000.0 ** (-np.arange(0, head_width, 2) / head_width)
  out_LxD = np.zeros_like(x_LxD)
  for h in range(config.heads):
    q, k, v = (
      x_LxD @ params[name]['kernel'][:, h] for name in ('query', 'key', 'value')
    )
    for x in (q, k):
      for m in range(length):
        z = (x[m, 0::2] + 1j * x[m, 1::2]) * np.exp(1j * m * rate)
        x[m, 0::2], x[m, 1::2] = z.real, z.imag
    scale = head_width**-0.5
    if config.qk_norm:
      q, k = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (q, k))
      scale = params['attn_scale']
    for m in range(length):
      weights = np.exp(scale * (k[: m + 1] @ q[m]))
      mixed = weights @ v[: m + 1] / weights.sum()
      out_LxD[m] += mixed @ params['attn_out_proj']['kernel'][h]
  return out_LxD


@pytest.mark.parametrize('qk_norm', [True, False])
def test_attention_matches_numpy(qk_norm):
  config = dataclasses.replace(TINY, qk_norm=qk_norm)
  x_LxD = np.random.default_rng(2).standard_normal((6, 8))
  module = attention.CausalAttn(config)
  x = jnp.array(x_LxD[None], jnp.float32)
  params = jax.jit(module.init)(jax.random.PRNGKey(3), x)['params']
  expected_LxD = _attention(config, params, x_LxD)
  # Float32 against float64, with outputs of the order of 1.
  np.testing.assert_allclose(
    jax.jit(module.apply)({'params': params}, x)[0], expected_LxD, atol=1e-5
  )


@pytest.mark.parametrize('mlp', ['glu', 'gelu'])
def test_mlp_matches_numpy(mlp):
  config = dataclasses.replace(TINY, mlp=mlp)
  x_D = np.random.default_rng(4).standard_normal(8)
  module = model.Mlp(config)
  x = jnp.array(x_D[None, None], jnp.float32)
  params = jax.jit(module.init)(jax.random.PRNGKey(5), x)['params']
  hidden = x_D @ np.asarray(params['Dense_0']['kernel'], np.float64)
  if mlp == 'glu':
    assert hidden.shape == (24,)
    hidden = hidden[:12] / (1 + np.exp(-hidden[12:]))
  else:
    inner = np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)
    hidden = hidden * (1 + np.tanh(inner)) / 2
  expected_D = hidden @ np.asarray(params['Dense_1']['kernel'], np.float64)
  np.testing.assert_allclose(
    jax.jit(module.apply)({'params': params}, x)[0, 0], expected_D, atol=1e-5
  )


def test_size_of_queries_and_keys_does_not_matter_with_qk_norm():
  params = _params(TINY)
  larger = jax.tree.map(lambda leaf: leaf, params)
  for name in ('query', 'key'):
    larger['blocks_0']['CausalAttn_0'][name]['kernel'] *= 7
  tokens_BxL = jnp.array([[1, 5, 2, 5, 0, 3]])
  for qk_norm, matters in ((True, False), (False, True)):
    config = dataclasses.replace(TINY, qk_norm=qk_norm)
    apply = jax.jit(model.Decoder(config).apply)
    difference = apply({'params': params}, tokens_BxL)
    difference -= apply({'params': larger}, tokens_BxL)
    assert (np.abs(difference).max() > 1e-3) == matters


def test_initial_standard_deviations():
  config = dataclasses.replace(
    TINY, vocab_size=512, width=128, mlp_width=128, init_std=0.02
  )
  params = _params(config)
  block = params['blocks_1']
  heads, mlp = block['CausalAttn_0'], block['Mlp_0']
  inner = [heads[name]['kernel'] for name in ('query', 'key', 'value')]
  inner += [mlp['Dense_0']['kernel'], params['embed']['embedding']]
  outer = [heads['attn_out_proj']['kernel'], mlp['Dense_1']['kernel']]
  # 16,384 samples at least: the relative error is 0.0055 at one sigma.
  for kernel in inner:
    np.testing.assert_allclose(np.std(kernel), 0.02, rtol=0.03)
  for kernel in outer:
    np.testing.assert_allclose(np.std(kernel), 0.02 / 2, rtol=0.03)
  np.testing.assert_array_equal(params['out_ln']['scale'], np.ones(128))


@pytest.mark.parametrize(
  ('dtype', 'expected'), [('bfloat16', 20.0), ('float32', 19.9985904)]
)
def test_attention_scale_is_stored_as_computed(dtype, expected):
  config = dataclasses.replace(
    TINY, sequence_length=1024, dtype=dtype, layers=1
  )
  params = _params(config)
  scale = params['blocks_0']['CausalAttn_0']['attn_scale']
  assert scale.dtype == dtype
  assert scale.shape == ()
  np.testing.assert_allclose(float(scale), expected, rtol=1e-7)
  others = jax.tree.leaves({**params, 'blocks_0': None})
  assert {leaf.dtype for leaf in others} == {jnp.dtype('float32')}


def test_logits_come_from_the_embedding_table():
  params = _params(TINY)
  apply = jax.jit(model.Decoder(TINY).apply)
  tokens_BxL = jnp.array([[1, 5, 2, 5, 0, 3]])
  logits = apply({'params': params}, tokens_BxL)
  table = params['embed']['embedding']
  unseen = {'embedding': table.at[7].set(table[4] * 2)}
  changed = apply({'params': {**params, 'embed': unseen}}, tokens_BxL)
  np.testing.assert_allclose(changed[..., 7], 2 * logits[..., 4], rtol=1e-5)
  np.testing.assert_allclose(changed[..., :7], logits[..., :7], rtol=1e-6)


def _fill(params):
  """Values by shape alone: rule F of the fingerprints."""

  def fill(path, leaf):
    if leaf.ndim == 0:
      return np.float32(19.99859)
    noise = np.random.RandomState(leaf.size).standard_normal(leaf.size)
    if leaf.ndim == 1:
      return (1 + 0.1 * noise).astype(np.float32)
    inputs = leaf.shape[0]
    if 'attn_out_proj' in path:
      inputs *= leaf.shape[1]
    return (noise / np.sqrt(inputs)).astype(np.float32).reshape(leaf.shape)

  flat = traverse_util.flatten_dict(params)
  return traverse_util.unflatten_dict(
    {path: jnp.asarray(fill(path, leaf)) for path, leaf in flat.items()}
  )


@pytest.mark.long
def test_full_size_fingerprint():
  config = dataclasses.replace(configs.FINEWEBEDU, dtype='float32')
  work, shapes = _shapes(config)
  params = _fill(shapes)
  tokens = np.random.RandomState(0).randint(0, 50257, (2, 65))
  batch = {'inputs': tokens[:, :-1], 'targets': tokens[:, 1:]}

  def loss(params):
    logits, _ = work.model_fn(params, batch, None, None, None, False)
    return work.loss_fn(batch['targets'], logits)['summed'], logits

  run = jax.jit(jax.value_and_grad(loss, has_aux=True))
  (summed, logits), gradient = run(params)
  squares = [jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)]
  measured = [logits.mean(), logits.std(), np.abs(logits).sum()]
  measured += [*logits[0, 0, :4], summed, np.sqrt(sum(squares))]
  expected = [-9.39649e-5, 0.143714, 737_717]
  expected += [0.0188363, 0.182364, -0.0351824, 0.0133359, 1386.2727, 541.262]
  # Four to five digits hold across orders of summation; the mean of six million
  # logits is a small difference of large sums.
  np.testing.assert_allclose(measured[1:], expected[1:], rtol=2e-4)
  np.testing.assert_allclose(measured[0], expected[0], rtol=1e-2)


LM1B = dataclasses.replace(
  configs.LM1B,
  vocab_size=11,
  sequence_length=6,
  width=8,
  heads=2,
  layers=2,
  mlp_width=12,
  dtype='float32',
)


def test_lm1b_has_the_parameters_counted_by_hand():
  block = 4 * 512**2 + 2 * 2 * 512 + 2 * 512 * 2048 + 2048 + 512
  output = 512 * 30_000 + 30_000
  expected = 30_000 * 512 + 6 * block + 2 * 512 + output
  differences = {
    '': 0,
    '_rmsnorm': -13 * 512,
    '_glu_mlp': 6 * (512 * 2048 + 2048),
    '_qk_norm': 6,
    '_tied': -output,
  }
  by_name = {config.name: config for config in configs.ALL}
  for variant, difference in differences.items():
    _, params = _shapes(by_name[f'lm1b{variant}'])
    assert _count(params) == expected + difference, variant


def test_inputs_may_be_one_hot():
  work, params = workload.LanguageModelWorkload(TINY), _params(TINY)
  tokens_BxL = np.array([[1, 5, 2, 5, 0, 10]])

  @jax.jit
  def logits(inputs):
    batch = {'inputs': inputs}
    return work.model_fn(params, batch, None, None, None, False)[0]

  np.testing.assert_array_equal(
    logits(np.eye(11, dtype=np.float32)[tokens_BxL]), logits(tokens_BxL)
  )


def test_dropout_is_an_argument_of_the_call():
  params = _params(LM1B)
  work = workload.LanguageModelWorkload(LM1B)
  batch = {'inputs': jnp.array([[0, 5, 2, 5, 1, 3]] * 4)}

  @functools.partial(jax.jit, static_argnums=(0, 2))
  def logits(mode, seed, rate):
    rng = jax.random.PRNGKey(seed)
    return work.model_fn(params, batch, None, mode, rng, False, rate)[0]

  train, evaluation = spec.ForwardPassMode.TRAIN, spec.ForwardPassMode.EVAL
  plain = logits(evaluation, 0, 0.5)
  np.testing.assert_array_equal(plain, logits(evaluation, 1, None))
  np.testing.assert_allclose(plain, logits(train, 0, 0.0), atol=1e-5)
  dropped = logits(train, 0, 0.1)
  np.testing.assert_array_equal(dropped, logits(train, 0, None))
  assert not np.allclose(plain, dropped, atol=1e-2)
  assert not np.allclose(dropped, logits(train, 1, 0.1), atol=1e-2)


@pytest.mark.parametrize('packed', [False, True])
def test_attention_with_weights_to_drop_is_the_fused_one(packed):
  """With nothing dropped."""
  module = attention.CausalAttn(dataclasses.replace(LM1B, positions='rotary'))
  x = jax.random.normal(jax.random.PRNGKey(0), (2, 6, 8))
  row = attention.UNPACKED
  if packed:
    segments = jnp.array([[1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 2, 2]])
    positions = jnp.array([[0, 1, 0, 1, 2, 0], [0, 1, 2, 3, 0, 1]])
    row = attention.Row(positions, segments)
  params = jax.jit(module.init)(jax.random.PRNGKey(1), x)
  fused = jax.jit(lambda: module.apply(params, x, row))()
  explicit = jax.jit(lambda: module.apply(params, x, row, lambda w: w))()
  np.testing.assert_allclose(fused, explicit, atol=1e-5)
  if packed:
    alone = jax.jit(module.apply)(params, x[:, 4:])
    np.testing.assert_allclose(fused[1, 4:], alone[1], atol=1e-5)
