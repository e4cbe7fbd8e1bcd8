"""Prodigy: Adam that estimates its learning rate as it goes.

Mishchenko and Defazio 2023, "Prodigy: an expeditiously adaptive parameter-free
learner" (arXiv 2306.06101), its variant of Adam, with Adam's bias correction as
a factor of the learning rate. The schedule, warm-up and cosine decay, is a
factor of the estimate; the denominator of the estimate leaves out all these
factors, as the authors' safeguard for warm-ups does: half the `factor` makes
half the estimate, too.
"""

import optax
from optax import contrib

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Prodigy; its decay is scaled by the learning rate."""
  return contrib.prodigy(
    schedules.from_one(
      schedules.warmup_cosine(
        hyperparameters.factor, hyperparameters.warmup_factor, step_hint
      )
    ),
    betas=(1 - hyperparameters.one_minus_beta1, hyperparameters.beta2),
    estim_lr0=hyperparameters.first_estimate,
    weight_decay=hyperparameters.weight_decay,
    safeguard_warmup=True,
  )
