"""AdaBelief: Adam with steps by how far gradients are from their average.

Zhuang et al. 2020, "AdaBelief optimizer: adapting stepsizes by the belief in
observed gradients" (arXiv 2010.07468), with decoupled weight decay, which its
authors' code has as an option. Warm-up, then cosine decay.
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
  return optax.chain(
    optax.scale_by_belief(
      b1=1 - hyperparameters.one_minus_beta1, b2=hyperparameters.beta2
    ),
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.scale_by_learning_rate(schedule),
  )
