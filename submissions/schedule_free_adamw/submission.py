"""Schedule-Free AdamW: an average in place of a decaying learning rate.

Defazio et al. 2024, "The road less scheduled" (arXiv 2405.15682), Schedule-Free
AdamW: gradients are taken between the average x and the fast iterates z, and
the averages are evaluated. Weight decay acts on the former. Batch statistics
are those of the training. Warm-up, then a constant learning rate: no end needs
to be known, so `step_hint` serves the warm-up only. The averages' weights are
squares of the learning rate with its bias correction, as there.
"""

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from algoperf import spec


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Optax's wrapper around RMSProp, with the paper's rate γₜ from t = 1 on."""
  beta2 = hyperparameters.beta2
  warmup_steps = max(int(hyperparameters.warmup_factor * step_hint), 1)

  def rate(step: jax.Array) -> jax.Array:
    ramp = jnp.minimum(step / warmup_steps, 1.0)
    return hyperparameters.learning_rate * ramp * jnp.sqrt(1 - beta2**step)

  return contrib.schedule_free(
    optax.chain(
      optax.scale_by_rms(decay=beta2, eps=1e-8, eps_in_sqrt=False),
      optax.add_decayed_weights(hyperparameters.weight_decay),
      optax.scale_by_learning_rate(lambda count: rate(count + 1)),
    ),
    rate,  # Counts from 1; of use for the weights alone.
    b1=1 - hyperparameters.one_minus_beta1,
  )


def eval_params(
  opt_state: contrib.ScheduleFreeState, params: optax.Params
) -> optax.Params:
  """The averages x, which follow from the parameters y and from z."""
  return contrib.schedule_free_eval_params(opt_state, params)
