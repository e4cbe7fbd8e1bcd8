"""Swaps the code of a function of the harness."""

import optax

from algoperf import evaluation


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  evaluation.is_finite.__code__ = (lambda results: True).__code__
  return next(input_queue)
