"""NAdamW, evaluated at an exponential average of its parameters.

Polyak and Juditsky 1992, "Acceleration of stochastic approximation by
averaging", in the exponential form common in deep learning (e.g. Morales-
Brotons et al. 2024, arXiv 2411.18704). The average is as long as a fraction of
the training. Batch statistics are those of the training.
"""

import optax

from algoperf import spec
from submissions import averaging
from submissions.nadamw import submission as nadamw


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """NAdamW and the average beside it."""
  return averaging.running(
    nadamw.optimizer(hyperparameters, step_hint),
    averaging.exponential(hyperparameters.average_factor * step_hint),
  )


def eval_params(
  opt_state: averaging.AverageState, params: optax.Params
) -> optax.Params:
  """The average."""
  del params
  return opt_state.average
