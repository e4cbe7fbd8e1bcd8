"""Patches while it is imported."""

import jax
import optax

jax.config.update('jax_debug_nans', True)


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)
