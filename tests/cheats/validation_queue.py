"""Asks its workload for validation data."""

import numpy as np
import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  workload.build_input_queue(np.zeros(2, np.uint32), 'validation', '', 16)
  return next(input_queue)
