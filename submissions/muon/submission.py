"""Muon: momentum, orthogonalized, for matrices; AdamW for the rest.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"
(kellerjordan.github.io/posts/muon), with weight decay and updates as long as
AdamW's, so that both share a learning rate: Liu et al. 2025, "Muon is scalable
for LLM training" (arXiv 2502.16982). Kernels of more than two axes are matrices
from inputs to outputs; an output layer that is not an embedding is one of them.
Both look a step of momentum ahead, as Nesterov's; Optax corrects its bias.
Warm-up, then cosine decay.
"""

import jax
import numpy as np
import optax
from optax import contrib

from algoperf import spec
from submissions import matrices, schedules

_RMS = 0.2  # Of an update's elements, as AdamW's.


def optimizer(
  hyperparameters: spec.Hyperparameters,
  step_hint: int,
  param_types: spec.ParameterTypeTree,
) -> optax.GradientTransformation:
  """Muon and AdamW with the same rate and decay, scaled by the rate."""

  def dimensions(params: optax.Params) -> optax.Params:
    return jax.tree.map(_axes, param_types, params)

  return contrib.muon(
    schedules.warmup_cosine(
      hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
    ),
    beta=hyperparameters.momentum,
    weight_decay=hyperparameters.weight_decay,
    adam_b1=1 - hyperparameters.one_minus_beta1,
    adam_b2=hyperparameters.beta2,
    adam_weight_decay=hyperparameters.weight_decay,
    muon_weight_dimension_numbers=dimensions,
    consistent_rms=_RMS,
  )


def _axes(
  kind: spec.ParameterType, leaf: jax.Array
) -> contrib.MuonDimensionNumbers | None:
  split = matrices.num_input_axes(kind, np.ndim(leaf))
  if split is None:
    return None
  axes = tuple(range(np.ndim(leaf)))
  return contrib.MuonDimensionNumbers(axes[:split], axes[split:])
