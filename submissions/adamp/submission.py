"""AdamP: AdamW that does not lengthen weights whose length has no effect.

Heo et al. 2021, "AdamP: slowing down the slowdown for momentum optimizers on
scale-invariant weights" (arXiv 2006.08217): where the gradient is about
orthogonal to the weights (of every output, or else of the whole kernel), the
update loses its part along them and the weight decay is a tenth. Only kernels,
never vectors or embeddings. Warm-up, then cosine decay.
"""

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from submissions import matrices, schedules

_DELTA = 0.1  # Over √dim: the cosine below which vectors count as orthogonal.
_DECAY_RATIO = 0.1  # Of the weight decay of scale-invariant weights.
_TINY = 1e-8


def optimizer(
  hyperparameters: spec.Hyperparameters,
  step_hint: int,
  param_types: spec.ParameterTypeTree,
) -> optax.GradientTransformation:
  """Its decay is scaled by the learning rate."""
  adam = optax.scale_by_adam(
    b1=1 - hyperparameters.one_minus_beta1, b2=hyperparameters.beta2
  )

  def update(
    grads: optax.Updates,
    state: optax.OptState,
    params: optax.Params | None = None,
  ) -> tuple[optax.Updates, optax.OptState]:
    directions, state = adam.update(grads, state, params)

    def project(kind: spec.ParameterType, *leaf: jax.Array) -> jax.Array:
      return _decayed(kind, *leaf, hyperparameters.weight_decay)

    updates = jax.tree.map(project, param_types, directions, grads, params)
    return updates, state

  return optax.chain(
    optax.GradientTransformation(adam.init, update),
    optax.scale_by_learning_rate(
      schedules.warmup_cosine(
        hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
      )
    ),
  )


def _decayed(
  kind: spec.ParameterType,
  direction: jax.Array,
  grad: jax.Array,
  param: jax.Array,
  weight_decay: float,
) -> jax.Array:
  """The direction of one array, projected if need be, with weight decay."""
  if matrices.num_input_axes(kind, param.ndim) is None:
    return direction + weight_decay * param
  shape = matrices.shape(kind, param.shape)
  p, g, w = (leaf.reshape(shape) for leaf in (direction, grad, param))
  projected, invariant = p, jnp.array(False)
  for axes in (0, (0, 1)):  # Each output's weights, then all of the kernel's.
    small = _orthogonal(g, w, axes)
    projected = jnp.where(small & ~invariant, _without(p, w, axes), projected)
    invariant |= small
  decay = weight_decay * jnp.where(invariant, _DECAY_RATIO, 1.0)
  return (projected + decay * w).reshape(param.shape)


def _orthogonal(
  g: jax.Array, w: jax.Array, axes: int | tuple[int, ...]
) -> jax.Array:
  """Whether all pairs of vectors along the axes are, about."""
  dot = jnp.abs((g * w).sum(axes))
  lengths = jnp.sqrt((g**2).sum(axes) * (w**2).sum(axes))
  dimension = g.size // dot.size
  return (dot / (lengths + _TINY)).max() < _DELTA / dimension**0.5


def _without(
  p: jax.Array, w: jax.Array, axes: int | tuple[int, ...]
) -> jax.Array:
  """The vectors along the axes less their part along w's."""
  along = (p * w).sum(axes, keepdims=True)
  return p - w * along / ((w**2).sum(axes, keepdims=True) + _TINY)
