"""Has the harness read stored weights."""

import pathlib

import optax

import __main__
from algoperf import files


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  files.read_json(pathlib.Path(__main__.TOLD.weights))
  return next(input_queue)
