"""Writes a record after a change of directory."""

import os

import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  os.chdir(__main__.TOLD.experiment)
  open('kept', 'w').close()
  return next(input_queue)
