"""Has a library look at its frames, and goes on from there."""

import sys

import jax
import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  assert jax.tree.map(sys._getframe, 0).f_back
  return next(input_queue)
