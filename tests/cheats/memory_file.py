"""Writes into the memory of the process."""

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  with open('/proc/self/mem', 'r+b') as file:
    file.seek(id(workload))
  return next(input_queue)
