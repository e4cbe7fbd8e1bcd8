"""Gets at frames by the standard library's walk over a traceback."""

import traceback

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  try:
    raise ValueError
  except ValueError as error:
    for frame, _line in traceback.walk_tb(error.__traceback__):
      _ = frame.f_back
  return next(input_queue)
