"""Whitening as for AlgoPerf 0.5: a package of modules, imported by its path."""

from collections.abc import Iterator
import functools
from typing import Any

from absl import logging
from algorithmic_efficiency import spec
from flax import jax_utils
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import optax
from reference_algorithms.paper_baselines.preconditioned.jax.whitening.whitening import (  # noqa: E501
  whitening,
)


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_params, model_state, rng

  def schedule_fn(step: Any) -> Any:
    warm = jnp.minimum(step / (0.05 * workload.step_hint), 1.0)
    return hyperparameters.learning_rate * warm

  params_zeros_like = jax.tree_map(
    lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes
  )
  opt_init_fn, opt_update_fn = whitening(
    schedule_fn,
    beta2=hyperparameters.beta2,
    start=int(hyperparameters.start),
    batch_axis_name='batch',
  )
  state = jax_utils.replicate(opt_init_fn(params_zeros_like))
  return state, opt_update_fn


@functools.partial(
  jax.pmap,
  axis_name='batch',
  in_axes=(None, None, 0, 0, 0, 0, 0, None, None),
  static_broadcasted_argnums=(0, 1),
  donate_argnums=(2, 3, 4),
)
def pmapped_train_step(
  workload: spec.Workload,
  opt_update_fn: Any,
  model_state: spec.ModelAuxiliaryState,
  optimizer_state: spec.OptimizerState,
  params: spec.ParameterContainer,
  batch: dict[str, spec.Tensor],
  rng: spec.RandomState,
  grad_clip: float | None,
  label_smoothing: float,
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
    loss_dict = workload.loss_fn(
      label_batch=batch['targets'],
      logits_batch=logits,
      mask_batch=batch.get('weights'),
      label_smoothing=label_smoothing,
    )
    return loss_dict['summed'], (loss_dict['n_valid_examples'], new_model_state)

  (summed, (valid, new_model_state)), grad = jax.value_and_grad(
    _loss_fn, has_aux=True
  )(params)
  summed, valid, grad = lax.psum((summed, valid, grad), axis_name='batch')
  grad = jax.tree_map(lambda x: x / valid, grad)
  norm = optax.global_norm(grad)
  if grad_clip is not None:
    grad = jax.tree_map(lambda x: x * jnp.minimum(1.0, grad_clip / norm), grad)
  updates, optimizer_state = opt_update_fn(grad, optimizer_state, params)
  params = optax.apply_updates(params, updates)
  return optimizer_state, params, new_model_state, summed / valid, norm


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
  rngs = jax.random.split(rng, jax.local_device_count())
  grad_clip = getattr(hyperparameters, 'grad_clip', None)
  optimizer_state, params, model_state, loss, norm = pmapped_train_step(
    workload,
    opt_update_fn,
    model_state,
    optimizer_state,
    current_param_container,
    batch,
    rngs,
    grad_clip,
    hyperparameters.label_smoothing,
  )
  if global_step <= 10 or global_step % 500 == 0:
    logging.info('%d) loss = %0.3f', global_step, np.asarray(loss)[0])
    workload.metrics_logger.append_scalar_metrics(
      {'train_step_ctc_loss': loss[0], 'grad_norm': norm[0]}, global_step
    )
  return (optimizer_state, opt_update_fn), params, model_state


def get_batch_size(workload_name: str) -> int:
  if workload_name == 'wmt':
    return 128
  raise ValueError(f'Unsupported workload name: {workload_name}.')


def data_selection(
  workload: spec.Workload,
  input_queue: Iterator[dict[str, spec.Tensor]],
  optimizer_state: spec.OptimizerState,
  current_param_container: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  global_step: int,
  rng: spec.RandomState,
) -> dict[str, spec.Tensor]:
  del workload, optimizer_state, current_param_container
  del model_state, hyperparameters, global_step, rng
  return next(input_queue)
