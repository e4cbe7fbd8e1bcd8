"""MoMo-Adam: Adam with steps no longer than a model of the loss allows.

Schaipp et al. 2023, "MoMo: momentum models for adaptive learning rates" (arXiv
2305.07583), MoMo-Adam with a lower bound of the loss that is given. What
differs: weight decay shrinks the parameters alone and not the step too, a
relative difference of learning rate times decay. Warm-up, then cosine decay,
cap the step.
"""

import optax
from optax import contrib

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """The learning rate is a cap; the steps are Polyak's where shorter."""
  schedule = schedules.warmup_cosine(
    hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
  )
  return contrib.momo_adam(
    schedule,
    b1=1 - hyperparameters.one_minus_beta1,
    b2=hyperparameters.beta2,
    lower_bound=hyperparameters.lower_bound,
    weight_decay=hyperparameters.weight_decay,
  )
