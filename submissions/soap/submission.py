"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

Vyas et al. 2024, "SOAP: improving and stabilizing Shampoo using Adam" (arXiv
2409.11321), with a power iteration and QR for the eigenvectors. Sides longer
than 10,000 keep the identity. The first gradient gives the first eigenvectors
and no update, as in the authors' code: in its own eigenbasis most of a gradient
is rounding, which Adam would blow up. What differs: kernels of more than two
axes are matrices from inputs to outputs; embeddings and vectors are AdamW's.
Warm-up, then cosine decay.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from submissions import matrices, schedules

_MAX_SIDE = 10_000
_EPS = 1e-8


class Side(NamedTuple):
  """One side of a matrix, D long."""

  moment: jax.Array  # [D, D]: running mean of G·Gᵀ, or of Gᵀ·G.
  basis: jax.Array  # [D, D]: about its eigenvectors, in columns.


class Leaf(NamedTuple):
  """The state of one array; a matrix has sides unless they are too long."""

  mu: jax.Array  # First moment, in the parameter's basis.
  nu: jax.Array  # Second moment, in the eigenbasis.
  left: Side | None
  right: Side | None


class SoapState(NamedTuple):
  """The state of all arrays."""

  count: jax.Array  # int32: updates so far.
  leaves: tuple[Leaf, ...]


def optimizer(
  hyperparameters: spec.Hyperparameters,
  step_hint: int,
  param_types: spec.ParameterTypeTree,
) -> optax.GradientTransformation:
  """SOAP with decoupled weight decay, which is scaled by the rate."""
  return optax.chain(
    scale_by_soap(
      param_types,
      b1=1 - hyperparameters.one_minus_beta1,
      b2=hyperparameters.beta2,
      period=hyperparameters.eigenvector_period,
    ),
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.scale_by_learning_rate(
      schedules.warmup_cosine(
        hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
      )
    ),
  )


def scale_by_soap(
  param_types: spec.ParameterTypeTree, b1: float, b2: float, period: int
) -> optax.GradientTransformation:
  """Adam in bases that follow the gradients' second moments.

  Args:
    param_types: decides which parameters are matrices.
    b1: decay of the first moment.
    b2: decay of the second moments.
    period: updates between two changes of the bases.
  """
  kinds = jax.tree.leaves(param_types)

  def init(params: optax.Params) -> SoapState:
    pairs = zip(kinds, jax.tree.leaves(params), strict=True)
    leaves = tuple(_init_leaf(kind, leaf) for kind, leaf in pairs)
    return SoapState(jnp.zeros([], jnp.int32), leaves)

  def update(
    grads: optax.Updates, state: SoapState, params: optax.Params | None = None
  ) -> tuple[optax.Updates, SoapState]:
    del params
    flat, structure = jax.tree.flatten(grads)
    count = optax.safe_increment(state.count)
    results = [
      _update_leaf(grad, leaf, count, b1, b2, period)
      for grad, leaf in zip(flat, state.leaves, strict=True)
    ]
    updates, leaves = zip(*results, strict=True)
    return jax.tree.unflatten(structure, updates), SoapState(count, leaves)

  return optax.GradientTransformation(init, update)


def _init_leaf(kind: spec.ParameterType, param: jax.Array) -> Leaf:
  if matrices.num_input_axes(kind, param.ndim) is None:
    return Leaf(jnp.zeros_like(param), jnp.zeros_like(param), None, None)
  shape = matrices.shape(kind, param.shape)
  left, right = (
    Side(jnp.zeros((side, side)), jnp.eye(side)) if side <= _MAX_SIDE else None
    for side in shape
  )
  return Leaf(jnp.zeros(shape), jnp.zeros(shape), left, right)


def _update_leaf(
  grad: jax.Array,
  leaf: Leaf,
  count: jax.Array,
  b1: float,
  b2: float,
  period: int,
) -> tuple[jax.Array, Leaf]:
  """The update of one array, of the gradient's shape, and its state."""
  g = grad.reshape(leaf.mu.shape)
  left = leaf.left and _follow(leaf.left, g, count, b2)
  right = leaf.right and _follow(leaf.right, g.T, count, b2)
  used = jnp.maximum(count - 1, 1)  # Gradients in the moments.
  first = count == 1
  rotated = _rotate(g, left, right)
  mu = jnp.where(first, leaf.mu, b1 * leaf.mu + (1 - b1) * g)
  nu = jnp.where(first, leaf.nu, b2 * leaf.nu + (1 - b2) * rotated**2)
  scale = jnp.sqrt(nu / (1 - b2**used)) + _EPS
  direction = _rotate(mu, left, right) / (1 - b1**used) / scale
  update = _rotate(direction, left, right, back=True)  # 0 the first time.
  left = left and _turn(left, count, period)
  right = right and _turn(right, count, period)
  return update.reshape(grad.shape), Leaf(mu, nu, left, right)


def _follow(side: Side, g: jax.Array, count: jax.Array, b2: float) -> Side:
  """Moves the moment; the first one gives the basis, widest axis first."""
  moment = b2 * side.moment + (1 - b2) * matrices.product(g, g.T)
  basis = jax.lax.cond(
    count == 1,
    lambda: jnp.linalg.eigh(moment)[1][:, ::-1],
    lambda: side.basis,
  )
  return Side(moment, basis)


def _turn(side: Side, count: jax.Array, period: int) -> Side:
  """Every `period` updates: one power iteration, made orthogonal again."""
  basis = jax.lax.cond(
    count % period == 0,
    lambda: jnp.linalg.qr(matrices.product(side.moment, side.basis))[0],
    lambda: side.basis,
  )
  return Side(side.moment, basis)


def _rotate(
  matrix: jax.Array,
  left: Side | None,
  right: Side | None,
  back: bool = False,
) -> jax.Array:
  """Into the eigenbasis, or back."""
  if left is not None:
    basis = left.basis if back else left.basis.T
    matrix = matrices.product(basis, matrix)
  if right is not None:
    basis = right.basis.T if back else right.basis
    matrix = matrices.product(matrix, basis)
  return matrix
