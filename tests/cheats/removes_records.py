"""Removes a result."""

import os

import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  os.remove(__main__.TOLD.kept)
  return next(input_queue)
