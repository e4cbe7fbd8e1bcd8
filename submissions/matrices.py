"""Which parameters are matrices, for methods that treat matrices apart.

A kernel's leading axes are its inputs and its trailing ones its outputs, in
flax's layers: (in, out), (height, width, in, out) of a convolution, (in, heads,
size) of a query, key or value and (heads, size, out) of attention's output.
"""

import functools
import math

import jax
import jax.numpy as jnp

from algoperf import spec

_INPUT_FIRST = {
  spec.ParameterType.ATTENTION_Q,
  spec.ParameterType.ATTENTION_K,
  spec.ParameterType.ATTENTION_V,
  spec.ParameterType.ATTENTION_QKV,
  spec.ParameterType.ATTENTION_KV,
}
_OUTPUT_LAST = {
  spec.ParameterType.WEIGHT,
  spec.ParameterType.CONV_WEIGHT,
  spec.ParameterType.ATTENTION_OUT,
}


def num_input_axes(kind: spec.ParameterType, ndim: int) -> int | None:
  """How many leading axes are inputs; None for what is no linear map.

  Embeddings are none: their rows are looked up.
  """
  if ndim < 2:
    return None
  if kind in _INPUT_FIRST:
    return 1
  return ndim - 1 if kind in _OUTPUT_LAST else None


def shape(kind: spec.ParameterType, dims: tuple[int, ...]) -> tuple[int, int]:
  """The rows and columns of an array of two axes or more.

  Inputs and outputs; of what is no linear map, the last axis is the columns.
  """
  split = num_input_axes(kind, len(dims)) or len(dims) - 1
  return math.prod(dims[:split]), math.prod(dims[split:])


def product(*factors: jax.Array) -> jax.Array:
  """Of matrices in full float32, which accelerators round by default."""
  return functools.reduce(
    functools.partial(jnp.matmul, precision='highest'), factors
  )
