"""Loads a module of the harness again."""

import importlib

import optax

from algoperf import evaluation


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  importlib.reload(evaluation)
  return next(input_queue)
