"""NAdamW on batches that grow, with a learning rate that stays.

Smith et al. 2018, "Don't decay the learning rate, increase the batch size"
(arXiv 1711.00489): where a schedule would lower the learning rate, the batch
grows. A larger batch is the mean gradient of several of the queue's, so that
one compiled step serves all sizes and needs no more memory. What differs:
batches are doubled, at even distances over the last part of the training, and
the optimizer is NAdamW.
"""

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from submissions import schedules
from submissions.nadamw import submission as nadamw


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Warm-up, then a constant rate; decay is scaled by it."""
  tx = optax.chain(
    nadamw.scale_by_nadam(
      b1=1 - hyperparameters.one_minus_beta1, b2=hyperparameters.beta2
    ),
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.scale_by_learning_rate(
      schedules.warmup_linear(
        hyperparameters.learning_rate,
        hyperparameters.warmup_factor,
        decay_steps_factor=1.0,
        end_factor=1.0,
        step_hint=step_hint,
      )
    ),
  )
  sizes = batches_per_update(
    hyperparameters.growth_start, hyperparameters.num_doublings, step_hint
  )
  return optax.MultiSteps(tx, sizes).gradient_transformation()


def batches_per_update(
  start: float, num_doublings: int, step_hint: int
) -> optax.Schedule:
  """How many batches the n-th update takes, n from 0.

  Args:
    start: the fraction of all batches that comes before the first doubling.
    num_doublings: at even distances from `start` on to the end.
    step_hint: batches of the whole training.
  """
  boundaries = [start * step_hint]  # In updates.
  distance = (1 - start) / num_doublings * step_hint
  for doubling in range(1, num_doublings):
    boundaries.append(boundaries[-1] + distance / 2**doubling)
  boundaries = jnp.array(boundaries, jnp.float32)

  def schedule(update: jax.Array) -> jax.Array:
    return 2 ** jnp.sum(update >= boundaries, dtype=jnp.int32)

  return schedule
