"""AdEMAMix: AdamW with a second, slow average of the gradients.

Pagliardini et al. 2024, "The AdEMAMix optimizer: better, faster, older" (arXiv
2409.03137), with its schedules of α and β₃. What differs: the slow average's
length is a fraction of the training, so that one point serves short and long
trainings, and the learning rate decays as a cosine to 0.
"""

import math

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """β₃ and α grow to their values over the whole training."""
  schedule = schedules.warmup_cosine(
    hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
  )
  beta1 = 1 - hyperparameters.one_minus_beta1
  horizon = max(hyperparameters.slow_horizon_factor * step_hint, 2.0)
  return contrib.ademamix(
    schedule,
    b1=beta1,
    b2=hyperparameters.beta2,
    b3=slow_decay(beta1, max(beta1, 1 - 1 / horizon), step_hint),
    alpha=optax.linear_schedule(0.0, hyperparameters.alpha, step_hint),
    eps=1e-8,
    weight_decay=hyperparameters.weight_decay,
  )


def slow_decay(start: float, end: float, steps: int) -> optax.Schedule:
  """A decay whose half-life grows linearly from that of start to that of end.

  Args:
    start: the decay at update 0.
    end: the decay from update `steps` on.
    steps: how long it grows.
  """
  low, high = math.log(start), math.log(end)

  def schedule(count: jax.Array) -> jax.Array:
    part = jnp.minimum(count / steps, 1.0)
    return jnp.exp(low * high / ((1 - part) * high + part * low))

  return schedule
