"""Polyak step size: gradient descent with steps as long as the loss suggests.

Loizou et al. 2021, "Stochastic Polyak step-size for SGD: an adaptive learning
rate for fast convergence" (arXiv 2002.10542), the bounded step SPS_max: min((f
− f*) / (c·‖∇f‖²), bound). f* is 0, as far as a loss without label smoothing can
go. What differs: warm-up, then cosine decay, scale the steps.
"""

import optax

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Optax's step, whose c is 1, with c as a factor of it and of its bound.

  `optax.polyak_sgd` differs: it scales the gradient before its norm is taken.
  """
  c = hyperparameters.c
  return optax.chain(
    optax.scale_by_polyak(max_learning_rate=c * hyperparameters.bound),
    optax.scale_by_learning_rate(
      schedules.warmup_cosine(1 / c, hyperparameters.warmup_factor, step_hint)
    ),
  )
