"""LAMB: Adam whose update of each array is as long as the array.

You et al. 2020, "Large batch optimization for deep learning: training BERT in
76 minutes" (arXiv 1904.00962), Algorithm 2, with the schedule and search space
of the AlgoPerf paper's baseline (arXiv 2306.07179). The scaling function φ is
the identity: the norm of an array is not clipped; where it is 0, as of a new
bias, the update is Adam's.
"""

import optax

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Weight decay joins the direction before it is scaled."""
  schedule = schedules.warmup_cosine(
    hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
  )
  return optax.lamb(
    schedule,
    b1=1 - hyperparameters.one_minus_beta1,
    b2=hyperparameters.beta2,
    eps=1e-8,
    weight_decay=hyperparameters.weight_decay,
  )
