"""Hides a built-in function in a library, behind another one."""

import optax
from sacrebleu.metrics import bleu


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  bleu.min = max
  return next(input_queue)
