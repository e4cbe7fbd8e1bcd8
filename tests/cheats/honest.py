"""Plain gradient descent, to compare with."""

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)
