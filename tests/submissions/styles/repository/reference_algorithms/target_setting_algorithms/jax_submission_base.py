"""The update that these algorithms share: pmap, as for AlgoPerf 0.5."""

import functools
from typing import Any

from algorithmic_efficiency import spec
import jax
from jax import lax
import jax.numpy as jnp
import optax


@functools.partial(
  jax.pmap,
  axis_name='batch',
  in_axes=(None, None, 0, 0, 0, 0, 0, None),
  static_broadcasted_argnums=(0, 1),
)
def pmapped_train_step(
  workload: spec.Workload,
  opt_update_fn: Any,
  model_state: spec.ModelAuxiliaryState,
  optimizer_state: spec.OptimizerState,
  current_param_container: spec.ParameterContainer,
  batch: dict[str, spec.Tensor],
  rng: spec.RandomState,
  hyperparameters: dict[str, float],
) -> tuple[Any, ...]:
  def _loss_fn(params: spec.ParameterContainer) -> tuple[Any, Any]:
    logits, new_model_state = workload.model_fn(
      params,
      batch,
      model_state,
      spec.ForwardPassMode.TRAIN,
      rng,
      update_batch_norm=True,
    )
    loss_dict = workload.loss_fn(batch['targets'], logits)
    loss = loss_dict['summed'] / loss_dict['n_valid_examples']
    l2 = sum(
      jnp.sum(x**2) for x in jax.tree_util.tree_leaves(params) if x.ndim > 1
    )
    return loss + 0.5 * hyperparameters['l2'] * l2, (loss, new_model_state)

  grad_fn = jax.value_and_grad(_loss_fn, has_aux=True)
  (_, (loss, new_model_state)), grad = grad_fn(current_param_container)
  loss, grad = lax.pmean((loss, grad), axis_name='batch')
  updates, new_optimizer_state = opt_update_fn(
    grad, optimizer_state, current_param_container
  )
  new_params = optax.apply_updates(current_param_container, updates)
  return new_model_state, new_optimizer_state, new_params, loss


def update_params(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  batch: dict[str, spec.Tensor],
  loss_type: spec.LossType,
  optimizer_state: spec.OptimizerState,
  eval_results: list[tuple[int, float]],
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  del current_params_types, loss_type, eval_results
  optimizer_state, opt_update_fn = optimizer_state
  per_device_rngs = jax.random.split(rng, jax.local_device_count())
  new_model_state, new_optimizer_state, new_params, loss = pmapped_train_step(
    workload,
    opt_update_fn,
    model_state,
    optimizer_state,
    current_param_container,
    batch,
    per_device_rngs,
    {'l2': hyperparameters._asdict()['l2']},
  )
  if global_step % 100 == 0:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': loss}, global_step=global_step, is_eval=False
    )
  return (new_optimizer_state, opt_update_fn), new_params, new_model_state
