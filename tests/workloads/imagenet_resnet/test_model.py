"""The network: its parts counted, its normalisation, its variants.

Fingerprints of the full size are those measured on the reference model
(float32 on CPU), with parameters filled by a rule free of names and order.
"""

import collections
import dataclasses
import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf import spec
import workloads
from workloads.imagenet_resnet import configs, model, workload

T = spec.ParameterType
TINY = dataclasses.replace(
  configs.MNIST,
  image_shape=(8, 8, 1),
  num_classes=3,
  width=2,
  stage_sizes=(1, 1),
)
KEY = jax.random.PRNGKey(0)
IMAGES = np.random.RandomState(0).standard_normal((5, 8, 8, 1))


def shapes_of(name):
  work = workloads.get(name)
  params, state = jax.eval_shape(work.init_model_fn, KEY)
  return work, params, state


def count(tree):
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def apply(work, params, state, *args, **kwargs):
  """(logits, state) of a jitted forward pass on IMAGES."""

  def forward(params, state):
    return work.model_fn(
      params, {'inputs': IMAGES}, state, None, None, *args, **kwargs
    )

  return jax.jit(forward)(params, state)


@pytest.fixture(scope='module')
def tiny():
  """A small model whose every parameter differs from its initial value."""
  work = workload.ResNetWorkload(TINY)
  params, state = work.init_model_fn(KEY)
  rng = np.random.RandomState(1)
  return work, *jax.tree.map(
    lambda leaf: leaf + 0.3 * rng.random_sample(leaf.shape).astype('float32'),
    (params, state),
  )


def test_parts_of_the_full_size():
  work, params, state = shapes_of('imagenet_resnet')
  assert count(params) == 25_557_032
  assert len(jax.tree.leaves(params)) == 161
  assert count(state) == 53_120
  assert set(params) == {
    'Conv_init',
    'BatchNorm_init',
    *(f'BottleneckResNetBlock_{i}' for i in range(16)),
    'Dense_0',
  }
  inner = {f'{kind}_{i}' for kind in ('Conv', 'BatchNorm') for i in range(3)}
  projection = {'Conv_proj', 'BatchNorm_proj'}
  for i in range(16):
    first_of_stage = i in (0, 3, 7, 13)
    expected = inner | projection if first_of_stage else inner
    assert set(params[f'BottleneckResNetBlock_{i}']) == expected
  assert [key for key in params if work.is_output_params(key)] == ['Dense_0']


def test_parameter_types_of_the_full_size():
  work, params, _ = shapes_of('imagenet_resnet')
  types = work.model_params_types
  assert collections.Counter(jax.tree.leaves(types)) == {
    T.CONV_WEIGHT: 53,
    T.BATCH_NORM_SCALE: 53,
    T.BATCH_NORM_BIAS: 53,
    T.WEIGHT: 1,
    T.BIAS: 1,
  }
  assert types['bottleneckresnetblock_0']['conv_proj'] == {
    'kernel': T.CONV_WEIGHT
  }
  # One type for each parameter, keys but for their case the same.
  lower = {
    jax.tree_util.keystr(path).lower()
    for path, _ in jax.tree_util.tree_leaves_with_path(params)
  }
  assert lower == {
    jax.tree_util.keystr(path)
    for path, _ in jax.tree_util.tree_leaves_with_path(types)
  }
  assert work.param_shapes['Dense_0']['kernel'] == spec.ShapeTuple((2048, 1000))


def test_initial_values_of_the_full_size():
  params, state = workloads.get('imagenet_resnet').init_model_fn(KEY)
  block = params['BottleneckResNetBlock_0']
  for kernel, stddev in (
    (params['Conv_init']['kernel'], 0.0818),
    (block['Conv_1']['kernel'], 0.0418),
    (params['Dense_0']['kernel'], 0.0100),
  ):
    np.testing.assert_allclose(kernel.std(), stddev, atol=5e-5)
  assert not params['Dense_0']['bias'].any()
  assert not block['BatchNorm_2']['scale'].any()
  for norm in ('BatchNorm_0', 'BatchNorm_1', 'BatchNorm_proj'):
    assert (block[norm]['scale'] == 1).all()
  assert (state['batch_stats']['BatchNorm_init']['var'] == 1).all()


def test_the_small_sibling_has_the_same_parts():
  _, params, _ = shapes_of('mnist_resnet')
  assert 20_000 < count(params) < 60_000
  assert set(params['BottleneckResNetBlock_0']) == {
    *('Conv_0', 'Conv_1', 'Conv_2', 'Conv_proj'),
    *('BatchNorm_0', 'BatchNorm_1', 'BatchNorm_2', 'BatchNorm_proj'),
  }


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('channels', [(64, 96), (8, 96)])
def test_convolutions_by_1x1_kernels(stride, channels):
  x_key, kernel_key = jax.random.split(jax.random.key(0))
  x = jax.random.normal(x_key, (2, 5, 7, channels[0]))
  kernel = jax.random.normal(kernel_key, (1, 1, *channels))
  found, expected = (
    layer(channels[1], strides=(stride, stride)).apply(
      {'params': {'kernel': kernel}}, x
    )
    for layer in (
      model._conv_1x1,
      functools.partial(nn.Conv, kernel_size=(1, 1), use_bias=False),
    )
  )
  assert found.shape == (2, -(-5 // stride), -(-7 // stride), channels[1])
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_running_averages_move_by_a_tenth(tiny):
  work, params, state = tiny
  _, new = apply(work, params, state, True)
  # The stem by hand: a 3x3 convolution, zero padding 1, at the stem's stride.
  kernel = np.asarray(params['Conv_init']['kernel'])
  padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)))
  windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
  stride = TINY.stem_stride
  stem = np.einsum('bhwcij,ijcd->bhwd', windows[:, ::stride, ::stride], kernel)
  old, new = (s['batch_stats']['BatchNorm_init'] for s in (state, new))
  for name, value in (('mean', np.mean), ('var', np.var)):
    expected = 0.9 * old[name] + 0.1 * value(stem, axis=(0, 1, 2))
    np.testing.assert_allclose(new[name], expected, rtol=1e-4)


def test_which_statistics_normalise_and_which_are_returned(tiny):
  work, params, state = tiny
  updated, new = apply(work, params, state, True)
  batch, kept = apply(work, params, state, False, use_running_average_bn=False)
  np.testing.assert_array_equal(batch, updated)
  jax.tree.map(np.testing.assert_array_equal, kept, state)

  running, kept = apply(work, params, state, False)
  jax.tree.map(np.testing.assert_array_equal, kept, state)
  assert abs(running - updated).max() > 1e-3
  frozen, same = apply(work, params, state, True, use_running_average_bn=True)
  np.testing.assert_array_equal(frozen, running)
  jax.tree.map(np.testing.assert_array_equal, same, state)

  moved, _ = apply(work, params, new, False)
  assert abs(moved - running).max() > 1e-3


def test_with_running_averages_an_image_ignores_the_others(tiny):
  work, params, state = tiny
  together, _ = apply(work, params, state, False)
  alone, _ = jax.jit(
    lambda image: work.model_fn(
      params, {'inputs': image}, state, None, None, False
    )
  )(IMAGES[:1])
  np.testing.assert_allclose(alone[0], together[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('activation', ['silu', 'gelu'])
def test_activation_variants_share_parameters_not_outputs(tiny, activation):
  work, params, state = tiny
  config = dataclasses.replace(TINY, activation=activation)
  variant = workload.ResNetWorkload(config)
  own, _ = jax.eval_shape(variant.init_model_fn, KEY)
  assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, params)
  base, _ = apply(work, params, state, False)
  other, _ = apply(variant, params, state, False)
  assert abs(base - other).max() > 1e-2


def test_large_bn_init_differs_in_the_last_norm_of_each_branch():
  params = []
  for config in (TINY, dataclasses.replace(TINY, bn_init_scale=8.0)):
    params.append(workload.ResNetWorkload(config).init_model_fn(KEY)[0])
  base, large = (dict(jax.tree_util.tree_leaves_with_path(p)) for p in params)
  for path, value in base.items():
    last = "['BatchNorm_2']['scale']" in jax.tree_util.keystr(path)
    np.testing.assert_array_equal(value + 8.0 * last, large[path])


def test_variants_change_one_field():
  for base in (configs.IMAGENET, configs.MNIST):
    changed = [
      {
        field: value
        for field, value in dataclasses.asdict(config).items()
        if value != getattr(base, field) and field != 'name'
      }
      for config in configs.with_variants(base)
    ]
    assert changed == [
      {},
      {'activation': 'silu'},
      {'activation': 'gelu'},
      {'bn_init_scale': 8.0},
    ]


def filled(path, leaf):
  """Values for a parameter that depend on its shape and kind alone."""
  is_scale = path[-1].key == 'scale'
  seed = leaf.size if is_scale or leaf.ndim > 1 else leaf.size + 1
  values = np.random.RandomState(seed).standard_normal(leaf.shape)
  if leaf.ndim > 1:
    values /= np.sqrt(np.prod(leaf.shape[:-1]))
  else:
    values = is_scale + 0.1 * values
  return values.astype(np.float32)


@pytest.mark.long
def test_fingerprint_of_the_full_size():
  work, shapes, stats = shapes_of('imagenet_resnet')
  params = jax.tree_util.tree_map_with_path(filled, shapes)
  state = jax.tree_util.tree_map_with_path(
    lambda path, leaf: jnp.full(leaf.shape, float(path[-1].key == 'var')), stats
  )
  images = np.random.RandomState(0).standard_normal((4, 224, 224, 3))
  batch = {'inputs': images.astype(np.float32)}

  def loss(params):
    logits, new = work.model_fn(params, batch, state, None, None, True)
    labels = np.array([1, 10, 100, 999])
    found = work.loss_fn(labels, logits, label_smoothing=0.1)
    return found['summed'], (logits, new)

  gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
  (summed, (logits, new)), grads = gradient(params)
  moved = sum(np.abs(leaf).sum() for leaf in jax.tree.leaves(new))
  # Four to five digits agree: float32 sums are taken in another order.
  close = functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-4)
  close(
    [logits.mean(), logits.std(), np.abs(logits).sum(), summed, moved],
    [-0.0507436, 1.17367, 3780.11, 33.23166, 28_792.4],
  )
  close(logits[0, :5], [-2.64198, -1.51542, 0.0793577, -1.27088, 1.71305])
  # Gradients through 53 normalisations lose two digits more. In float64 the
  # norm is 754.974; the reference had 755.84 in float32.
  norm = np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(grads)))
  close(norm, 754.974, rtol=2e-3)

  evaluate = jax.jit(
    lambda params: work.model_fn(params, batch, new, None, None, False)[0]
  )
  logits = evaluate(params)
  close([logits.mean(), logits.std()], [0.0035466, 2.63789])
  close(logits[0, :5], [-0.367025, -1.39707, -1.87961, -2.76960, 4.04378])
