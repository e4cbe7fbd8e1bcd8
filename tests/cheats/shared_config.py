"""Alters a frozen constant of the harness."""

import optax

import tests.toy


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  object.__setattr__(tests.toy._GOAL, 'validation_target', 0.0)
  return next(input_queue)
