"""Patches a built-in function."""

import builtins

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  builtins.float = int
  return next(input_queue)
