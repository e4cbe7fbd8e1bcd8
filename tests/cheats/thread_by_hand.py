"""Starts a thread below threading."""

import _thread

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  _thread.start_new_thread(print, ())
  return next(input_queue)
