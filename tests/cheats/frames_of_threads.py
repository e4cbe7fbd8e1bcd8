"""Gets at frames by threads."""

import sys

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  sys._current_frames()
  return next(input_queue)
