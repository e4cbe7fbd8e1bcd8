"""Has JAX call it whenever something is compiled."""

import jax
import optax

_HEARD = []


def optimizer(hyperparameters, step_hint):
  jax.monitoring.register_event_duration_secs_listener(
    lambda *_, **__: _HEARD.append('now')
  )
  return optax.sgd(0.1)
