"""Gets at frames by inspect."""

import inspect

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  inspect.stack()
  return next(input_queue)
