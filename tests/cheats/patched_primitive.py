"""Gives an operation of JAX the shapes of another."""

from jax import lax
import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  lax.argmax_p.abstract_eval = lax.argmin_p.abstract_eval
  return next(input_queue)
