"""Gets at frames by logging."""

import logging

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  logging.currentframe()
  return next(input_queue)
