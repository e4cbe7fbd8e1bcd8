"""AdamW: Adam with decoupled weight decay.

Loshchilov and Hutter 2019 (arXiv 1711.05101), with the schedule and search
space of the AlgoPerf paper's baseline (arXiv 2306.07179): warm-up, then cosine
decay.
"""

import optax

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """AdamW; its decay is scaled by the learning rate."""
  return optax.adamw(
    schedules.warmup_cosine(
      hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
    ),
    b1=1 - hyperparameters.one_minus_beta1,
    b2=hyperparameters.beta2,
    eps=1e-8,
    weight_decay=hyperparameters.weight_decay,
  )
