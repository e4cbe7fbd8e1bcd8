"""Writes a record by numpy."""

import jax.numpy as jnp
import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  jnp.save(__main__.TOLD.kept, jnp.zeros(3))
  return next(input_queue)
