"""Forks."""

import os

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  if os.fork() == 0:
    os._exit(0)
  return next(input_queue)
