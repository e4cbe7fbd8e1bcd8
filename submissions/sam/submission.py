"""SAM: AdamW on gradients taken where the loss nearby is worst.

Foret et al. 2021, "Sharpness-aware minimization for efficiently improving
generalization" (arXiv 2010.01412), around AdamW, with the schedule and search
space of the AlgoPerf paper's baseline (arXiv 2306.07179). Each update takes two
gradients of the same batch with the same dropout; batch statistics are those of
the first.
"""

from typing import Any

import jax
import optax
from optax import contrib

from algoperf import spec
from submissions import schedules

_TINY = 1e-12  # Keeps a gradient of zeros from a division by zero.


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """AdamW at the parameters of gradients at params + ρ·g/‖g‖."""
  schedule = schedules.warmup_cosine(
    hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
  )
  adamw = optax.adamw(
    schedule,
    b1=1 - hyperparameters.one_minus_beta1,
    b2=hyperparameters.beta2,
    eps=1e-8,
    weight_decay=hyperparameters.weight_decay,
  )
  ascent = optax.chain(optax.stateless(_unit), optax.sgd(hyperparameters.rho))
  sam = contrib.sam(adamw, ascent, opaque_mode=True)

  def update(
    grads: optax.Updates,
    state: optax.OptState,
    params: optax.Params | None = None,
    *,
    value_fn: Any,
    **extra: Any,
  ) -> tuple[optax.Updates, optax.OptState]:
    del extra
    gradient = jax.grad(value_fn)
    return sam.update(
      grads, state, params, grad_fn=lambda params, step: gradient(params)
    )

  return optax.GradientTransformationExtraArgs(sam.init, update)


def _unit(grads: optax.Updates, params: optax.Params | None) -> optax.Updates:
  """The gradient with length 1 over all arrays."""
  del params
  return optax.tree.scale(1 / (optax.tree.norm(grads) + _TINY), grads)
