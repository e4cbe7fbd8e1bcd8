"""NAdamW: Adam with Nesterov momentum and decoupled weight decay.

Dozat 2016, "Incorporating Nesterov Momentum into Adam", in the form that Choi
et al. 2019 (arXiv 1910.05446) use and that is AlgoPerf's strongest baseline
(arXiv 2306.07179): no schedule of the momentum. Warm-up, then cosine decay. The
search space is a list of five points, tried in this order.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from submissions import schedules


class NadamState(NamedTuple):
  """Moments of the gradients."""

  count: jax.Array  # int32: updates so far.
  mu: optax.Updates  # First moment.
  nu: optax.Updates  # Second moment.


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  schedule = schedules.warmup_cosine(
    hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
  )
  return optax.chain(
    scale_by_nadam(
      b1=1 - hyperparameters.one_minus_beta1, b2=hyperparameters.beta2
    ),
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.scale_by_learning_rate(schedule),
  )


def scale_by_nadam(
  b1: float, b2: float, eps: float = 1e-8
) -> optax.GradientTransformation:
  """Rescales gradients by moments, looking one step of momentum ahead.

  With m and v the moments after n gradients, the update is
  (b1·m + (1 − b1)·g) / (1 − b1ⁿ) over √(v / (1 − b2ⁿ)) + eps.
  `optax.scale_by_adam(nesterov=True)` differs: it corrects the bias of m for
  n + 1 gradients, and that of g for n, each apart.
  """

  def init(params: optax.Params) -> NadamState:
    return NadamState(
      count=jnp.zeros([], jnp.int32),
      mu=optax.tree.zeros_like(params),
      nu=optax.tree.zeros_like(params),
    )

  def update(
    grads: optax.Updates, state: NadamState, params: optax.Params | None = None
  ) -> tuple[optax.Updates, NadamState]:
    del params
    count = optax.safe_increment(state.count)
    mu = optax.tree.update_moment(grads, state.mu, b1, 1)
    nu = optax.tree.update_moment(grads, state.nu, b2, 2)
    ahead = optax.tree.update_moment(grads, mu, b1, 1)
    ahead = optax.tree.bias_correction(ahead, b1, count)
    scale = optax.tree.bias_correction(nu, b2, count)
    updates = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), ahead, scale)
    return updates, NadamState(count, mu, nu)

  return optax.GradientTransformation(init, update)
