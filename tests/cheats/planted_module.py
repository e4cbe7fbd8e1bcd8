"""Has a module ready that a library is still to load."""

import sys

import optax
from sacrebleu.tokenizers import tokenizer_char


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  sys.modules['sacrebleu.tokenizers.tokenizer_zh'] = tokenizer_char
  return next(input_queue)
