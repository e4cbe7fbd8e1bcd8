"""Passes its code off as the harness's, where it has such a line, too."""

import sys

import optax

from algoperf import audit

_LINE = compile(b'get_frame().f_back', audit.__file__, 'eval')


def optimizer(hyperparameters, step_hint):
  assert eval(_LINE, {'get_frame': sys._getframe})
  return optax.sgd(0.1)
