"""Averages of the parameters, kept beside any optimizer's training.

They change nothing in the training: `eval_params` of a submission returns them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

Weight = Callable[[jax.Array], jax.Array]


class AverageState(NamedTuple):
  """An optimizer's state and a running average."""

  inner: optax.OptState
  count: jax.Array  # int32: updates so far.
  average: optax.Params


class LatestState(NamedTuple):
  """An optimizer's state and the latest checkpoints."""

  inner: optax.OptState
  count: jax.Array  # int32: updates so far.
  interval: jax.Array  # int32: updates between two checkpoints.
  checkpoints: optax.Params  # Each leaf K times, along a new first axis.


def polynomial(gamma: float) -> Weight:
  """Polynomial-decay averaging (Shamir and Zhang 2013, arXiv 1212.1824).

  With gamma 0 the mean of all iterates; the larger, the more the latest count.
  """
  return lambda count: (1 + gamma) / (count + gamma)


def exponential(horizon: float) -> Weight:
  """Over about the last `horizon` updates; polynomial until ten times as many.

  Args:
    horizon: 1 / (1 − decay), in updates.
  """
  start = polynomial(9.0)
  return lambda count: jnp.maximum(1 / max(horizon, 1.0), start(count))


def running(
  inner: optax.GradientTransformation, weight: Weight
) -> optax.GradientTransformationExtraArgs:
  """Averages the parameters after each update, x̄ ← x̄ + weight·(x − x̄).

  Args:
    inner: what trains.
    weight: from the number of updates so far, 1 for the first.
  """
  inner = optax.with_extra_args_support(inner)

  def init(params: optax.Params) -> AverageState:
    return AverageState(inner.init(params), jnp.zeros([], jnp.int32), params)

  def update(
    grads: optax.Updates,
    state: AverageState,
    params: optax.Params | None = None,
    **extra: Any,
  ) -> tuple[optax.Updates, AverageState]:
    updates, inner_state = inner.update(grads, state.inner, params, **extra)
    count = optax.safe_increment(state.count)
    average = jax.tree.map(
      lambda old, new: old + weight(count) * (new - old),
      state.average,
      optax.apply_updates(params, updates),
    )
    return updates, AverageState(inner_state, count, average)

  return optax.GradientTransformationExtraArgs(init, update)


def latest(
  inner: optax.GradientTransformation, number: int, interval: int
) -> optax.GradientTransformationExtraArgs:
  """Keeps the parameters of every interval-th update, the last few of them.

  Args:
    inner: what trains.
    number: checkpoints that are kept, each as large as the parameters.
    interval: updates between two.
  """
  inner = optax.with_extra_args_support(inner)

  def init(params: optax.Params) -> LatestState:
    slots = jax.tree.map(
      lambda leaf: jnp.zeros((number, *leaf.shape), leaf.dtype), params
    )
    return LatestState(
      inner.init(params),
      count=jnp.zeros([], jnp.int32),
      interval=jnp.asarray(interval, jnp.int32),
      checkpoints=slots,
    )

  def update(
    grads: optax.Updates,
    state: LatestState,
    params: optax.Params | None = None,
    **extra: Any,
  ) -> tuple[optax.Updates, LatestState]:
    updates, inner_state = inner.update(grads, state.inner, params, **extra)
    count = optax.safe_increment(state.count)
    new = optax.apply_updates(params, updates)
    slot = (count // state.interval - 1) % number
    checkpoints = jax.lax.cond(
      count % state.interval == 0,
      lambda: jax.tree.map(
        lambda kept, leaf: kept.at[slot].set(leaf), state.checkpoints, new
      ),
      lambda: state.checkpoints,
    )
    return updates, LatestState(inner_state, count, state.interval, checkpoints)

  return optax.GradientTransformationExtraArgs(init, update)


def mean_of_latest(state: LatestState, params: optax.Params) -> optax.Params:
  """The mean of the checkpoints that there are, or the parameters if none."""

  def mean(kept: jax.Array, leaf: jax.Array) -> jax.Array:
    filled = jnp.minimum(state.count // state.interval, len(kept))
    total = kept.sum(axis=0) / jnp.maximum(filled, 1)
    return jnp.where(filled > 0, total, leaf)

  return jax.tree.map(mean, state.checkpoints, params)
