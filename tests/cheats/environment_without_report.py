"""Changes flags in the dictionary alone."""

import os

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  os.environ._data[b'XLA_FLAGS'] = b'--xla_cpu_enable_fast_math=true'
  return next(input_queue)
