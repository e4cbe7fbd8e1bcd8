"""Writes into memory that others share."""

from multiprocessing import shared_memory

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  shared_memory.SharedMemory(create=True, size=16).unlink()
  return next(input_queue)
