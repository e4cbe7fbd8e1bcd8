"""Gets at frames by the getter of an attribute."""

import types

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  try:
    raise ValueError
  except ValueError as error:
    get = types.TracebackType.__dict__['tb_frame'].__get__
    _ = get(error.__traceback__).f_back
  return next(input_queue)
