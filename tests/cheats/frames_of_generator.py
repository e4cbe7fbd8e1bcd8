"""Gets at frames by a generator of its own."""

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  own = (number for number in range(3))
  _ = own.gi_frame
  return next(input_queue)
