"""Changes what a function of a library has kept."""

import flax.linen as nn
import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  nn.apply.__closure__[0].cell_contents = nn.init
  return next(input_queue)
