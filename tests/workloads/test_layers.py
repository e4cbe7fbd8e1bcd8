"""Layers declare the types of their parameters; nothing is guessed."""

from typing import ClassVar

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf import spec
from workloads import layers

T = spec.ParameterType


class Everything(nn.Module):
  """One layer of each class, and a parameter of its own."""

  param_types: ClassVar = {'Gain': T.WEIGHT}

  @nn.compact
  def __call__(self, tokens):
    x = layers.Embed(7, 4, name='Table')(tokens)
    x = layers.LayerNorm()(x)
    x = layers.RMSNorm()(x)
    for role in (T.ATTENTION_Q, T.ATTENTION_OUT):
      x = layers.AttentionProjection(4, role=role)(x)
    x = layers.Conv(4, (3,), use_bias=False)(x)
    x = layers.BatchNorm(use_running_average=False)(x)
    return layers.Dense(2)(x) * self.param('Gain', nn.initializers.ones, ())


class Undeclared(nn.Module):
  @nn.compact
  def __call__(self, x):
    return nn.Dense(2, name='anonymous')(x)


def test_types_of_all_layers_with_keys_in_lower_case():
  tokens = jnp.zeros((1, 3), jnp.int32)
  variables, types = layers.init(Everything(), jax.random.PRNGKey(0), tokens)
  assert types == {
    'table': {'embedding': T.EMBEDDING},
    'layernorm_0': {'scale': T.LAYER_NORM_SCALE, 'bias': T.LAYER_NORM_BIAS},
    'rmsnorm_0': {'scale': T.LAYER_NORM_SCALE},
    'attentionprojection_0': {
      'kernel': T.ATTENTION_Q,
      'bias': T.ATTENTION_BIAS,
    },
    'attentionprojection_1': {
      'kernel': T.ATTENTION_OUT,
      'bias': T.ATTENTION_BIAS,
    },
    'conv_0': {'kernel': T.CONV_WEIGHT},
    'batchnorm_0': {'scale': T.BATCH_NORM_SCALE, 'bias': T.BATCH_NORM_BIAS},
    'dense_0': {'kernel': T.WEIGHT, 'bias': T.BIAS},
    'gain': T.WEIGHT,
  }
  assert {'Table', 'Gain', 'BatchNorm_0'} <= set(variables['params'])


def test_an_undeclared_parameter_is_named():
  with pytest.raises(ValueError, match='anonymous/'):
    layers.init(Undeclared(), jax.random.PRNGKey(0), jnp.ones((1, 2)))


def test_layers_start_as_those_of_flax():
  x = jnp.ones((1, 8, 8, 3))
  for ours, theirs in (
    (layers.Conv(5, (3, 3)), nn.Conv(5, (3, 3))),
    (layers.Dense(5), nn.Dense(5)),
  ):
    key = jax.random.PRNGKey(3)
    variables, _ = layers.init(ours, key, x)
    expected = jax.jit(theirs.init)(key, x)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)


def test_initial_values_do_not_depend_on_who_compiles():
  x, key = jnp.ones((1, 3)), jax.random.PRNGKey(0)
  alone, _ = layers.init(layers.Dense(2), key, x)
  inside = jax.jit(lambda key: layers.init(layers.Dense(2), key, x)[0])(key)
  jax.tree.map(np.testing.assert_array_equal, alone, inside)


@pytest.mark.parametrize(
  'name, expected',
  [
    ('relu', [0.0, 0.0, 2.0]),
    # x sigmoid(x), and x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    ('silu', [-0.268941, 0.0, 1.761594]),
    ('gelu', [-0.158808, 0.0, 1.954598]),
    ('tanh', [-0.761594, 0.0, 0.964028]),
    ('sigmoid', [0.268941, 0.5, 0.880797]),
  ],
)
def test_activations(name, expected):
  values = layers.activation(name)(jnp.array([-1.0, 0.0, 2.0]))
  np.testing.assert_allclose(values, expected, atol=1e-6)


def test_an_unknown_activation_is_named():
  with pytest.raises(ValueError, match='swoosh'):
    layers.activation('swoosh')
