"""Writes into memory."""

import ctypes

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  ctypes.string_at(id(workload), 1)
  return next(input_queue)
