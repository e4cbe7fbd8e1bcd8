"""Hides a method of an object of JAX behind that of another."""

from jax import lax
import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  lax.argmax_p.bind = lax.argmin_p.bind
  return next(input_queue)
