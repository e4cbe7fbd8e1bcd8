"""Adafactor: Adam with second moments of a matrix kept by row and by column.

Shazeer and Stern 2018, "Adafactor: adaptive learning rates with sublinear
memory cost" (arXiv 1804.04235), in the form of Zhai et al. 2021, "Scaling
vision transformers" (arXiv 2106.04560, on memory-efficient optimizers), with
the schedule and search space of the AlgoPerf paper's baseline (arXiv
2306.07179): momentum, second moments with Adam's decay, decoupled weight decay,
learning rates that are not relative to the parameters. Matrices with a side
shorter than 128 are not factored.
"""

import jax
import optax

from algoperf import spec
from submissions import schedules

_DECAY = 0.99  # Of the second moments.
_CLIP = 1.0  # Of an update's root mean square, array by array.


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Factored second moments, clipping, momentum, decay, in this order."""
  schedule = schedules.warmup_cosine(
    hyperparameters.learning_rate, hyperparameters.warmup_factor, step_hint
  )
  return optax.chain(
    optax.scale_by_factored_rms(decay_rate=_DECAY, decay_rate_fn=adam_decay),
    optax.clip_by_block_rms(_CLIP),
    optax.ema(1 - hyperparameters.one_minus_beta1, debias=False),
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.scale_by_learning_rate(schedule),
  )


def adam_decay(count: jax.Array, decay: float) -> jax.Array:
  """The decay that makes a running mean equal Adam's corrected for bias (§7.1).

  Args:
    count: updates so far.
    decay: Adam's.
  """
  return decay * (1 - decay**count) / (1 - decay ** (count + 1.0))
