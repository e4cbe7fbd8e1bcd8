"""Each image workload, variants too, against the same network in numpy.

In float64, from He et al. 2015 and AlgoPerf's description; nothing is shared
with the model but the names of its parameters. In training mode, with the new
running averages, and in evaluation mode.

Dimensions: B batch, H height, W width, C channels, K classes.
"""

import functools
import math

import jax
import numpy as np
import pytest
import scipy.special

from algoperf import spec
from tests.workloads import by_hand
import workloads

ACTIVATIONS = {
  '': lambda x: np.maximum(x, 0),
  '_silu': lambda x: x * scipy.special.expit(x),
  '_gelu': lambda x: (
    x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
  ),
  '_large_bn_init': lambda x: np.maximum(x, 0),
}


def conv(x, kernel, stride=1, padding=None):
  """Zero padding; SAME, the odd row and column last, if none is given."""
  size = kernel.shape[0]
  pads = [(0, 0), (0, 0)]
  for axis, length in enumerate(x.shape[1:3]):
    if padding is None:
      total = max(0, (math.ceil(length / stride) - 1) * stride + size - length)
      pads[axis] = (total // 2, total - total // 2)
    else:
      pads[axis] = (padding, padding)
  padded = np.pad(x, ((0, 0), *pads, (0, 0)))
  windows = np.lib.stride_tricks.sliding_window_view(
    padded, (size, size), axis=(1, 2)
  )[:, ::stride, ::stride]
  return np.einsum('bhwcij,ijcd->bhwd', windows, kernel, optimize=True)


def max_pool(x):
  padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
  windows = np.lib.stride_tricks.sliding_window_view(
    padded, (3, 3), axis=(1, 2)
  )
  return windows[:, ::2, ::2].max(axis=(-2, -1))


class Network:
  """A forward pass that collects the new running averages."""

  def __init__(self, params, stats, activation, config):
    self.params, self.stats = params, stats
    self.activation, self.config = activation, config
    self.new_stats = {}

  def norm(self, x, *path):
    params = functools.reduce(lambda tree, key: tree[key], path, self.params)
    if self.stats is None:
      mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
      # From mean 0 and variance 1, by a tenth.
      self.new_stats[path] = {'mean': 0.1 * mean, 'var': 0.9 + 0.1 * var}
    else:
      mean, var = self.stats[path]['mean'], self.stats[path]['var']
    x = (x - mean) / np.sqrt(var + 1e-5)
    return x * params['scale'] + params['bias']

  def block(self, x, name, stride):
    p, act = self.params[name], self.activation
    y = act(self.norm(conv(x, p['Conv_0']['kernel']), name, 'BatchNorm_0'))
    y = conv(y, p['Conv_1']['kernel'], stride)
    y = act(self.norm(y, name, 'BatchNorm_1'))
    y = self.norm(conv(y, p['Conv_2']['kernel']), name, 'BatchNorm_2')
    if 'Conv_proj' in p:
      x = conv(x, p['Conv_proj']['kernel'], stride)
      x = self.norm(x, name, 'BatchNorm_proj')
    return act(x + y)

  def logits(self, x):
    config = self.config
    kernel = self.params['Conv_init']['kernel']
    x = conv(x, kernel, config.stem_stride, config.stem_kernel // 2)
    x = max_pool(self.activation(self.norm(x, 'BatchNorm_init')))
    number = 0
    for stage, blocks in enumerate(config.stage_sizes):
      for block in range(blocks):
        stride = 2 if stage and not block else 1
        x = self.block(x, f'BottleneckResNetBlock_{number}', stride)
        number += 1
    return by_hand.dense(self.params['Dense_0'], x.mean(axis=(1, 2)))


def compare(name, variant, images):
  work = workloads.get(f'{name}{variant}')
  shapes, _ = jax.eval_shape(work.init_model_fn, jax.random.PRNGKey(0))
  params = by_hand.filled(shapes)
  _, state = work.init_model_fn(jax.random.PRNGKey(0))
  modes = spec.ForwardPassMode
  labels = np.arange(len(images))

  @functools.partial(
    jax.jit, compiler_options={'xla_backend_optimization_level': 0}
  )
  def run(params, state):
    batch = {'inputs': images.astype(np.float32)}
    logits, new = work.model_fn(params, batch, state, modes.TRAIN, None, True)
    loss = work.loss_fn(labels, logits, label_smoothing=0.1)
    evaluated, _ = work.model_fn(params, batch, new, modes.EVAL, None, False)
    return logits, new['batch_stats'], loss, evaluated

  logits, new, loss, evaluated = jax.device_get(run(params, state))
  wide, activation = by_hand.wide(params), ACTIVATIONS[variant]
  network = Network(wide, None, activation, work.config)
  expected = network.logits(images)
  # Float32 through as many normalisations as there are layers.
  close = functools.partial(np.testing.assert_allclose, rtol=2e-3)
  close(logits, expected, atol=2e-3 * np.abs(expected).max())
  for path, stats in network.new_stats.items():
    for key, values in stats.items():
      found = functools.reduce(lambda tree, part: tree[part], path, new)[key]
      close(found, values, atol=2e-4 * np.abs(values).max())
  targets = 0.9 * np.eye(expected.shape[1])[labels] + 0.1 / expected.shape[1]
  log_p = scipy.special.log_softmax(expected, axis=1)
  close(loss['per_example'], -(targets * log_p).sum(axis=1))
  still = Network(wide, network.new_stats, activation, work.config)
  expected = still.logits(images)
  close(evaluated, expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize('variant', ACTIVATIONS)
def test_small_models(variant):
  images = np.random.default_rng(0).standard_normal((4, 28, 28, 1))
  compare('mnist_resnet', variant, images)


@pytest.mark.long
@pytest.mark.parametrize('variant', ACTIVATIONS)
def test_full_size_models(variant):
  images = np.random.default_rng(0).standard_normal((4, 64, 64, 3))
  compare('imagenet_resnet', variant, images)
