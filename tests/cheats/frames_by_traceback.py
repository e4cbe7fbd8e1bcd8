"""Gets at frames by an exception."""

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  try:
    raise ValueError
  except ValueError as error:
    frame = error.__traceback__.tb_frame
    _ = frame.f_back
  return next(input_queue)
