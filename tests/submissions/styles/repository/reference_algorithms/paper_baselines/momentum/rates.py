"""Learning rates that more than one algorithm uses."""

import optax


def linear(peak: float, steps: int) -> optax.Schedule:
  return optax.linear_schedule(peak, 0.01 * peak, steps)
