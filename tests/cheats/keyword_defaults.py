"""Changes what a library does unless it is told otherwise."""

import jax
import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  jax.nn.one_hot.__kwdefaults__['axis'] = 0
  return next(input_queue)
