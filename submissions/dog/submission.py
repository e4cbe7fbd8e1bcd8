"""DoG: gradient descent whose step is distance over gradients.

Ivgi et al. 2023, "DoG is SGD's best friend: a parameter-free dynamic step size
schedule" (arXiv 2302.12022): the step is the largest distance from the start
over the root of the sum of squared gradient norms (the equation that is named
DoG). What is evaluated is the polynomial-decay average of the iterates, as they
recommend, with the batch statistics of the training. Weight decay joins the
gradient.
"""

import optax
from optax import contrib

from algoperf import spec
from submissions import averaging

_GAMMA = 8.0  # Of the average: the paper's.


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """No schedule: `step_hint` is not used."""
  del step_hint
  return averaging.running(
    contrib.dog(
      hyperparameters.factor,
      init_step=('heuristic', hyperparameters.first_distance),
      weight_decay=hyperparameters.weight_decay,
    ),
    averaging.polynomial(_GAMMA),
  )


def eval_params(
  opt_state: averaging.AverageState, params: optax.Params
) -> optax.Params:
  """The average of the iterates."""
  del params
  return opt_state.average
