"""Lion: the sign of a momentum, with decoupled weight decay.

Chen et al. 2023, "Symbolic discovery of optimization algorithms" (arXiv
2302.06675). Learning rates are a few times smaller than AdamW's, and the weight
decay of most points is larger, as the authors advise. Warm-up, then cosine
decay.
"""

import optax

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Its decay is scaled by the learning rate."""
  schedule = schedules.warmup_cosine(
    hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
  )
  return optax.lion(
    schedule,
    b1=hyperparameters.beta1,
    b2=hyperparameters.beta2,
    weight_decay=hyperparameters.weight_decay,
  )
