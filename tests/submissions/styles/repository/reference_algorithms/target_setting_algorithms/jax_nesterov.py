"""Nesterov momentum; everything else lies in neighbours, by repository path."""

from algorithmic_efficiency import spec
from flax import jax_utils
import jax
import jax.numpy as jnp
import optax
from reference_algorithms.target_setting_algorithms.data_selection import (
  data_selection,  # noqa: F401
)
from reference_algorithms.target_setting_algorithms.get_batch_size import (
  get_batch_size,  # noqa: F401
)
from reference_algorithms.target_setting_algorithms.jax_submission_base import (
  update_params,  # noqa: F401
)


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_params, model_state, rng
  params_zeros_like = jax.tree_util.tree_map(
    lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes
  )
  opt_init_fn, opt_update_fn = optax.sgd(
    hyperparameters.learning_rate, hyperparameters.beta1, nesterov=True
  )
  return jax_utils.replicate(opt_init_fn(params_zeros_like)), opt_update_fn
