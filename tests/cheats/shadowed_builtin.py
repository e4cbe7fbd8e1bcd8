"""Hides a built-in function in a module of the harness."""

import optax

from algoperf import evaluation


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  evaluation.float = lambda _: 1.0
  return next(input_queue)
