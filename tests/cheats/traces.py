"""Sets a profiler."""

import sys

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  sys.setprofile(lambda *_: None)
  return next(input_queue)
