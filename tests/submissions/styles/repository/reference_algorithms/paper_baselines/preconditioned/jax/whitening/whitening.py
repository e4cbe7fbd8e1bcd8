"""A whitening optimizer, its roots divided over the devices of a pmap.

As written for jax 0.3 and 0.4: a struct of flax, collectives by the name of an
axis, a conditional with operands, names that have gone since.
"""

import functools
from typing import Any, Optional

import chex
from flax import struct
import jax
from jax import lax
from jax.experimental import pjit
from jax.interpreters import pxla
import jax.numpy as jnp
import optax


@struct.dataclass
class Statistics:
  """Of one parameter; static fields are no leaves."""

  moment: chex.Array
  root: chex.Array
  rows: int = struct.field(pytree_node=False)


def _matrix(leaf: chex.Array) -> chex.Array:
  return jnp.reshape(leaf, (-1, leaf.shape[-1])) if leaf.ndim > 1 else None


def _root(moment: chex.Array) -> chex.Array:
  values, vectors = jnp.linalg.eigh(moment)
  values = jnp.clip(values, a_min=0.0) + 1e-2 * values[-1] + 1e-12
  return (vectors * values**-0.5) @ vectors.T


def _place(x: pxla.ShardedDeviceArray) -> pxla.ShardedDeviceArray:
  return pjit.with_sharding_constraint(x, pjit.PartitionSpec())


def whitening(
  learning_rate: Any,
  beta2: float,
  start: int,
  batch_axis_name: Optional[str] = None,  # noqa: UP045
) -> optax.GradientTransformation:
  """Gradients times the inverse root of their second moment, by columns."""

  def init_fn(params: optax.Params) -> Any:
    def of(leaf: chex.Array) -> Any:
      matrix = _matrix(leaf)
      if matrix is None:
        return None
      size = matrix.shape[1]
      zeros = jnp.zeros((size, size), jnp.float32)
      return Statistics(moment=zeros, root=jnp.eye(size), rows=len(matrix))

    return {
      'count': jnp.zeros([], jnp.int32),
      'stats': [of(leaf) for leaf in jax.tree_leaves(params)],
    }

  def new_roots(moments: list[chex.Array]) -> list[chex.Array]:
    """Each device computes its share of them."""
    if batch_axis_name is None:
      return [_root(moment) for moment in moments]
    devices = lax.psum(1, batch_axis_name)
    mine = lax.axis_index(batch_axis_name)
    roots = []
    for i, moment in enumerate(moments):
      root = lax.cond(
        mine == i % devices, _root, lambda m: jnp.zeros_like(m), moment
      )
      roots.append(lax.psum(root, batch_axis_name))
    return roots

  def update_fn(grads: Any, state: Any, params: Any) -> Any:
    count = optax.safe_int32_increment(state['count'])
    leaves, structure = jax.tree_util.tree_flatten(grads)
    stats, matrices = [], []
    for leaf, old in zip(leaves, state['stats']):  # noqa: B905
      if old is None:
        stats.append(None)
        continue
      matrix = _matrix(leaf)
      square = matrix.T @ matrix / old.rows
      stats.append(
        old.replace(moment=beta2 * old.moment + (1 - beta2) * square)
      )
      matrices.append(matrix)
    known = [s for s in stats if s is not None]
    roots = lax.cond(
      count >= start,
      lambda operand: new_roots([s.moment for s in operand]),
      lambda operand: [s.root for s in operand],
      known,
    )
    remaining = iter(list(zip(roots, matrices)))  # noqa: B905
    updates, new_stats = [], []
    for leaf, old in zip(leaves, stats):  # noqa: B905
      if old is None:
        updates.append(leaf / (jnp.linalg.norm(leaf) + 1e-8))
        new_stats.append(None)
      else:
        root, matrix = next(remaining)
        updates.append((matrix @ root).reshape(leaf.shape) / old.rows**0.5)
        new_stats.append(old.replace(root=root))
    rate = learning_rate(count) if callable(learning_rate) else learning_rate
    updates = jax.tree_map(
      lambda u, p: -rate * (u + 1e-4 * p),
      jax.tree_util.tree_unflatten(structure, updates),
      params,
    )
    return updates, {'count': count, 'stats': new_stats}

  place = functools.partial(_place)
  del place  # Some helpers are never used.
  return optax.GradientTransformation(init_fn, update_fn)
