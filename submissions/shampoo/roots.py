"""Matrix roots, each computed on one of the devices."""

import collections
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from submissions import matrices

_RIDGE = 1e-6  # Relative to the largest eigenvalue.


def inverse_fourth_roots(tree: Any) -> Any:
  """Each leaf, symmetric and positive semi-definite, to the power −1/4.

  Leaves of equal size go as one stack that is divided over the devices, so that
  n devices take about an n-th of the time.
  """
  leaves, structure = jax.tree.flatten(tree)
  groups = collections.defaultdict(list)
  for index, leaf in enumerate(leaves):
    groups[leaf.shape].append(index)
  found = {}
  for indices in groups.values():
    stack = jnp.stack([leaves[index] for index in indices])
    found |= dict(zip(indices, _divided(stack), strict=False))
  return jax.tree.unflatten(structure, [found[i] for i in range(len(leaves))])


def _divided(stack_NxDxD: jax.Array) -> jax.Array:
  """The roots of a stack, padded to a multiple of the devices."""
  count = jax.device_count()
  if count == 1:
    return _roots(stack_NxDxD)
  missing = -len(stack_NxDxD) % count
  filler = jnp.broadcast_to(
    jnp.eye(stack_NxDxD.shape[-1]), (missing, *stack_NxDxD.shape[1:])
  )
  mesh = jax.sharding.Mesh(np.array(jax.devices()), ('batch',))
  each, whole = jax.P('batch'), jax.P()
  roots = jax.shard_map(_roots, mesh=mesh, in_specs=each, out_specs=each)(
    jnp.concatenate([stack_NxDxD, filler])
  )
  return jax.lax.with_sharding_constraint(
    roots, jax.sharding.NamedSharding(mesh, whole)
  )


def _roots(stack_NxDxD: jax.Array) -> jax.Array:
  if jax.default_backend() == 'cpu':
    # One after another: jaxlib divides a stack over the threads that XLA runs
    # on, and two stacks at once wait for each other for ever.
    return jax.lax.map(_root, stack_NxDxD)
  return jax.vmap(_root)(stack_NxDxD)


def _root(matrix_DxD: jax.Array) -> jax.Array:
  values_D, vectors_DxD = jnp.linalg.eigh(matrix_DxD)
  largest = values_D[-1]
  # Rounding makes small eigenvalues negative; of zeros alone the root is 1.
  values_D = jnp.maximum(values_D, 0.0) + _RIDGE * largest
  values_D = jnp.where(largest > 0, values_D, 1.0)
  return matrices.product(vectors_DxD * values_D**-0.25, vectors_DxD.T)
