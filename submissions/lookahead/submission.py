"""Lookahead: slow weights that follow NAdamW, some steps at a time.

Zhang et al. 2019, "Lookahead optimizer: k steps forward, 1 step back" (arXiv
1907.08610), around NAdamW. The slow weights are evaluated; the inner
optimizer's moments are kept at each synchronization. Batch statistics are those
of the training.
"""

from typing import NamedTuple

import optax

from algoperf import spec
from submissions.nadamw import submission as nadamw


class LookaheadState(NamedTuple):
  """What optax keeps, and the slow weights."""

  inner: optax.LookaheadState
  slow: optax.Params


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """NAdamW inside; its list of points fits."""
  return lookahead(
    nadamw.optimizer(hyperparameters, step_hint),
    hyperparameters.sync_period,
    hyperparameters.slow_step_size,
  )


def eval_params(
  opt_state: LookaheadState, params: optax.Params
) -> optax.Params:
  """The slow weights."""
  del params
  return opt_state.slow


def lookahead(
  fast: optax.GradientTransformation, sync_period: int, slow_step_size: float
) -> optax.GradientTransformation:
  """`optax.lookahead` with the slow weights in the state.

  Optax's own trains pairs of parameters; here the parameters are the fast ones.
  """
  pairs = optax.lookahead(fast, sync_period, slow_step_size)

  def init(params: optax.Params) -> LookaheadState:
    pair = optax.LookaheadParams.init_synced(params)
    return LookaheadState(pairs.init(pair), params)

  def update(
    grads: optax.Updates,
    state: LookaheadState,
    params: optax.Params | None = None,
  ) -> tuple[optax.Updates, LookaheadState]:
    pair = optax.LookaheadParams(fast=params, slow=state.slow)
    updates, inner = pairs.update(grads, state.inner, pair)
    slow = optax.apply_updates(state.slow, updates.slow)
    return updates.fast, LookaheadState(inner, slow)

  return optax.GradientTransformation(init, update)
