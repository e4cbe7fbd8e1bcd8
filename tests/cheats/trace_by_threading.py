"""Has all threads traced."""

import threading

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  threading.setprofile(lambda *_: None)
  threading.settrace(lambda *_: None)
  import sys

  sys.settrace(None)
  return next(input_queue)
