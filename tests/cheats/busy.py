"""Does no wrong, with much of what libraries keep notes of."""

import dataclasses

from flax import nnx, serialization, struct
import flax.linen as nn
import jax
from jax.experimental import pallas, sparse  # noqa: F401  Registers much.
import jax.extend.core
from jax.interpreters import ad, batching, mlir
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
import optax

try:
  import tensorflow as tf  # Of code that is shared with other frameworks.
  import torch
except ImportError:
  tf = torch = None

_SUCCESSOR = jax.extend.core.Primitive('successor')
_SUCCESSOR.def_impl(lambda x: x + 1)
_SUCCESSOR.def_abstract_eval(lambda x: x)
_LOWERING = mlir.lower_fun(lambda x: x + 1, multiple_results=False)
mlir.register_lowering(_SUCCESSOR, _LOWERING)
mlir.register_lowering(_SUCCESSOR, _LOWERING, platform='cpu')
ad.defjvp(_SUCCESSOR, lambda tangent, x: tangent)
batching.defvectorized(_SUCCESSOR)
np.random.seed(3)
np.set_printoptions(precision=3)
np.seterr(all='warn')


@struct.dataclass
class _OfFlax:
  leaf: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class _Registered:
  leaf: jax.Array


@jax.tree_util.register_pytree_node_class
class _Node:
  def __init__(self, leaf):
    self.leaf = leaf

  def tree_flatten(self):
    return (self.leaf,), None

  @classmethod
  def tree_unflatten(cls, _, leaves):
    return cls(*leaves)


class _Model(nn.Module):
  @nn.compact
  def __call__(self, x):
    x = nn.LayerNorm()(nn.Dense(3)(x))
    return nn.MultiHeadDotProductAttention(num_heads=1)(x, x)


@jax.custom_vjp
def _own_gradient(x):
  return x


_own_gradient.defvjp(lambda x: (x, None), lambda _, gradient: (gradient,))


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  jax.clear_caches()
  square = jnp.eye(3)
  variables = _Model().init(jax.random.key(0), square)
  serialization.to_bytes(variables)
  optax.inject_hyperparams(optax.adam)(learning_rate=0.1).init(variables)
  jax.jit(jax.vmap(jax.grad(lambda x: _own_gradient(_SUCCESSOR.bind(x)))))(
    jnp.ones(3)
  )
  nnx.Linear(2, 3, rngs=nnx.Rngs(0))(jnp.ones(2))
  sparse.BCOO.fromdense(square) @ jnp.ones(3)
  jax.tree.leaves([_OfFlax(square), _Registered(square), _Node(square)])
  jax.scipy.linalg.sqrtm(square)
  jax.pmap(lambda x: x)(jnp.ones((1, 2)))
  jax.pure_callback(np.asarray, jnp.ones(3), jnp.ones(3))
  with (
    jax.default_matmul_precision('highest'),
    jax.numpy_dtype_promotion('standard'),
    nn.intercept_methods(lambda call, args, kwargs, _: call(*args, **kwargs)),
  ):
    np.linalg.svd(np.asarray(square @ square))
  return next(input_queue)
