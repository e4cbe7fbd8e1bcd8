"""D-Adaptation: AdamW that estimates its learning rate as it goes.

Defazio and Mishchenko 2023, "Learning-rate-free learning by D-Adaptation"
(arXiv 2301.07733), its variant of Adam, with Adam's bias correction as a factor
of the learning rate; the estimate weighs gradients by the second moments of the
update before. The schedule, warm-up and cosine decay, is a factor of the
estimate.
"""

import optax
from optax import contrib

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """AdamW with D-Adaptation; its decay is scaled by the learning rate."""
  return contrib.dadapt_adamw(
    schedules.from_one(
      schedules.warmup_cosine(
        hyperparameters.factor, hyperparameters.warmup_factor, step_hint
      )
    ),
    betas=(1 - hyperparameters.one_minus_beta1, hyperparameters.beta2),
    estim_lr0=hyperparameters.first_estimate,
    weight_decay=hyperparameters.weight_decay,
  )
