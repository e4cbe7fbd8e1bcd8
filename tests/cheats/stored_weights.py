"""Loads weights that were trained before."""

import numpy as np
import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  np.load(__main__.TOLD.weights)
  return next(input_queue)
