"""Nesterov: gradient descent with momentum, one step of it ahead.

Nesterov 1983, "A method for solving the convex programming problem with
convergence rate O(1/k²)", in the form of Sutskever et al. 2013, "On the
importance of initialization and momentum in deep learning", with the schedule
of the AlgoPerf paper's baseline (arXiv 2306.07179): warm-up, then linear decay,
of the rate that multiplies the momentum.
The paper's space is search_space.json; the list of points has lower learning
rates, which small transformers need.
"""

import optax

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Nesterov momentum over gradients that include the weight decay."""
  schedule = schedules.warmup_linear(
    hyperparameters.learning_rate,
    hyperparameters.warmup_factor,
    hyperparameters.decay_steps_factor,
    hyperparameters.end_factor,
    step_hint,
  )
  return optax.chain(
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.sgd(
      schedule, momentum=1 - hyperparameters.one_minus_beta1, nesterov=True
    ),
  )
