"""Patches by the globals of a method."""

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  type(workload).__mro__[1].model_fn.__globals__['jnp'] = None
  return next(input_queue)
