"""Shampoo: gradients whitened on both sides, block by block.

Gupta et al. 2018, "Shampoo: preconditioned stochastic tensor optimization"
(arXiv 1802.09568), for matrices, in the form of Anil et al. 2020, "Scalable
second order optimization for deep learning" (arXiv 2002.09018): blocks, roots
computed every few steps, spread over the devices, and grafting: the direction
is Shampoo's, the length that of RMSProp on normalized gradients, which alone is
used for the first steps. Settings, schedule and search space are those of the
AlgoPerf paper's baseline (arXiv 2306.07179).

What differs from Anil et al.: kernels of more than two axes are matrices from
inputs to outputs; the statistics are moving averages, roots by
eigendecomposition; vectors are not whitened; RMSProp is corrected for bias.
Nesterov momentum as NAdamW's.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from submissions import matrices, schedules
from submissions.shampoo import roots

_EPS = 1e-8
_TINY = 1e-16  # Keeps an array of zeros from a division by zero.


class Block(NamedTuple):
  """One block of a matrix, [M, N] large."""

  left: jax.Array  # [M, M]
  right: jax.Array  # [N, N]


Grid = list[list[Any]]  # Of the blocks of one array, rows of them.


class ShampooState(NamedTuple):
  """Trees are those of the parameters, lists have a grid for each array."""

  count: jax.Array  # int32: updates so far.
  mu: optax.Updates  # Momentum of the directions.
  nu: optax.Updates  # Second moment of normalized gradients.
  moments: list[Grid]  # Running means of G·Gᵀ and Gᵀ·G.
  roots: list[Grid]  # The moments to the power −1/4.


def optimizer(
  hyperparameters: spec.Hyperparameters,
  step_hint: int,
  param_types: spec.ParameterTypeTree,
) -> optax.GradientTransformation:
  """Shampoo with decoupled weight decay, which is scaled by the rate."""
  return optax.chain(
    scale_by_shampoo(
      param_types,
      b1=1 - hyperparameters.one_minus_beta1,
      b2=hyperparameters.beta2,
    ),
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.scale_by_learning_rate(
      schedules.warmup_cosine(
        hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
      )
    ),
  )


def scale_by_shampoo(
  param_types: spec.ParameterTypeTree,
  b1: float,
  b2: float,
  block: int = 1024,
  start: int = 101,
  period: int = 20,
) -> optax.GradientTransformation:
  """Whitens matrices; vectors get the graft.

  Args:
    param_types: says how an array of more axes is a matrix.
    b1: decay of the momentum.
    b2: decay of all second moments.
    block: the longest side of a block.
    start: the first update that is whitened, from 1.
    period: updates between two computations of the roots.
  """

  def init(params: optax.Params) -> ShampooState:
    parts = _grids(param_types, params, block)
    return ShampooState(
      count=jnp.zeros([], jnp.int32),
      mu=optax.tree.zeros_like(params),
      nu=optax.tree.zeros_like(params),
      moments=jax.tree.map(lambda part: _squares(0 * part), parts),
      roots=jax.tree.map(lambda part: Block(*map(jnp.eye, part.shape)), parts),
    )

  def update(
    grads: optax.Updates,
    state: ShampooState,
    params: optax.Params | None = None,
  ) -> tuple[optax.Updates, ShampooState]:
    del params
    count = optax.safe_increment(state.count)
    parts = _grids(param_types, grads, block)
    squares = jax.tree.map(_squares, parts)
    moments = optax.tree.update_moment(squares, state.moments, b2, 1)
    new_roots = jax.lax.cond(
      (count >= start) & ((count - start) % period == 0),
      lambda: roots.inverse_fourth_roots(moments),
      lambda: state.roots,
    )
    graft, nu = _normalized_rmsprop(grads, state.nu, count, b2)
    flat, structure = jax.tree.flatten(graft)
    leaves = zip(flat, parts, new_roots, strict=True)
    directions = structure.unflatten(
      _direction(*leaf, started=count >= start) for leaf in leaves
    )
    mu = optax.tree.update_moment(directions, state.mu, b1, 1)
    ahead = optax.tree.update_moment(directions, mu, b1, 1)
    ahead = optax.tree.bias_correction(ahead, b1, count)
    return ahead, ShampooState(count, mu, nu, moments, new_roots)

  return optax.GradientTransformation(init, update)


def _grids(
  param_types: spec.ParameterTypeTree, tree: optax.Updates, block: int
) -> list[Grid]:
  """The blocks of all arrays."""
  leaves = jax.tree.leaves(param_types), jax.tree.leaves(tree)
  return [_split(*pair, block) for pair in zip(*leaves, strict=True)]


def _split(kind: spec.ParameterType, leaf: jax.Array, block: int) -> Grid:
  """The blocks of an array as a matrix; none of a vector."""
  if leaf.ndim < 2:
    return []
  matrix = leaf.reshape(matrices.shape(kind, leaf.shape))
  rows, columns = (range(0, side, block) for side in matrix.shape)
  return [[matrix[i : i + block, j : j + block] for j in columns] for i in rows]


def _squares(part: jax.Array) -> Block:
  return Block(part @ part.T, part.T @ part)


def _normalized_rmsprop(
  grads: optax.Updates, nu: optax.Updates, count: jax.Array, b2: float
) -> tuple[optax.Updates, optax.Updates]:
  """RMSProp's directions for gradients of length 1, and the new moments."""
  unit = jax.tree.map(lambda g: g / (jnp.linalg.norm(g) + _TINY), grads)
  nu = optax.tree.update_moment(unit, nu, b2, 2)
  graft = jax.tree.map(
    lambda g, v: g / (jnp.sqrt(v / (1 - b2**count)) + _EPS), unit, nu
  )
  return graft, nu


def _direction(
  graft: jax.Array, grid: Grid, roots_grid: Grid, started: jax.Array
) -> jax.Array:
  """One array whitened and made as long as the graft; at first the graft."""
  if not grid:
    return graft
  whitened = jnp.block(
    [
      [left @ part @ right for part, (left, right) in zip(*row, strict=True)]
      for row in zip(grid, roots_grid, strict=True)
    ]
  ).reshape(graft.shape)
  length = jnp.linalg.norm(graft) / (jnp.linalg.norm(whitened) + _TINY)
  return jnp.where(started, whitened * length, graft)
