"""Is copied by looking at frames."""

import copy
import sys

import optax


class Looks:
  def __reduce__(self):
    return sys._getframe, (0,)


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  assert copy.copy(Looks()).f_back
  return next(input_queue)
