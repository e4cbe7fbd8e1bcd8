"""Changes flags of XLA."""

import os

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  os.environ['XLA_FLAGS'] = '--xla_cpu_enable_fast_math=true'
  return next(input_queue)
