"""Writes a record by a path relative to a descriptor."""

import os

import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  folder = os.open(os.path.dirname(__main__.TOLD.experiment), os.O_RDONLY)
  file = os.open('experiment/kept', os.O_WRONLY, dir_fd=folder)
  os.write(file, b'gone')
  return next(input_queue)
