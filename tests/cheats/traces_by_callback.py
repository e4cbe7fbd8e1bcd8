"""Has a library install a hook that nothing can trace."""

import sys

import jax
import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  jax.tree.map(sys.addaudithook, lambda *_: None)
  return next(input_queue)
