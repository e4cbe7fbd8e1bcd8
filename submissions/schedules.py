"""Learning-rate schedules of the baselines (ALGOPERF 2023, arXiv 2306.07179).

A schedule maps the index of an update, from 0, to its learning rate.
"""

import jax.numpy as jnp
import optax


def warmup_cosine(
  peak: float, warmup_factor: float, step_hint: int
) -> optax.Schedule:
  """Linear warm-up from 0 to the peak, then half a cosine to 0.

  Args:
    peak: the highest learning rate.
    warmup_factor: the fraction of step_hint that is warm-up.
    step_hint: updates until the learning rate is 0, where it stays.
  """
  warmup_steps = int(warmup_factor * step_hint)
  return optax.join_schedules(
    [
      optax.linear_schedule(0.0, peak, warmup_steps),
      optax.cosine_decay_schedule(peak, max(step_hint - warmup_steps, 1)),
    ],
    boundaries=[warmup_steps],
  )


def warmup_linear(
  peak: float,
  warmup_factor: float,
  decay_steps_factor: float,
  end_factor: float,
  step_hint: int,
) -> optax.Schedule:
  """Linear warm-up from 0 to the peak, linear decay, then constant.

  Args:
    peak: the highest learning rate.
    warmup_factor: the fraction of step_hint that is warm-up.
    decay_steps_factor: the fraction of the remaining updates that is decay.
    end_factor: the last learning rate, as a fraction of the peak.
    step_hint: updates that the training is planned for.
  """
  warmup_steps = int(warmup_factor * step_hint)
  decay_steps = int((step_hint - warmup_steps) * decay_steps_factor)
  return optax.join_schedules(
    [
      optax.linear_schedule(0.0, peak, warmup_steps),
      optax.linear_schedule(peak, peak * end_factor, max(decay_steps, 1)),
    ],
    boundaries=[warmup_steps],
  )


def from_one(schedule: optax.Schedule) -> optax.Schedule:
  """The schedule without its first rate, which is 0 where there is a warm-up.

  Methods that estimate their learning rate divide by sums of past rates, which
  after long enough at a rate of 0 would be 0 as well: there it is 1e-12.
  """
  return lambda count: jnp.maximum(schedule(count + 1), 1e-12)
