"""Momentum, written another way: keywords only, relative import, an observer.

The forward pass gets all its arguments by keyword, the loss two by position and
one that it does not have.
"""

from typing import Any

import jax
import optax

from algoperf import spec

from ..rates import linear


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_state, rng
  tx = optax.sgd(
    linear(hyperparameters.learning_rate, workload.step_hint),
    hyperparameters.momentum,
  )
  return tx.init(model_params), tx.update


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
  **kwargs: Any,
) -> spec.UpdateReturn:
  del loss_type, hyperparameters, eval_results
  assert kwargs['train_state'].is_time_remaining
  assert jax.tree.structure(current_params_types) is not None
  state, update = optimizer_state
  state, params, model_state, loss = _step(
    workload, update, state, current_param_container, model_state, batch, rng
  )
  if global_step % 100 == 0:
    workload.metrics_logger.append_scalar_metrics({'loss': loss}, global_step)
  return (state, update), params, model_state


def _one_step(
  workload: spec.Workload,
  update: Any,
  state: Any,
  params: Any,
  model_state: Any,
  batch: Any,
  rng: Any,
) -> tuple[Any, ...]:
  def loss_fn(params: spec.ParameterContainer) -> tuple[Any, Any]:
    logits, new_model_state = workload.model_fn(
      params=params,
      augmented_and_preprocessed_input_batch=batch,
      model_state=model_state,
      mode=spec.ForwardPassMode.TRAIN,
      rng=rng,
      update_batch_norm=True,
    )
    loss = workload.loss_fn(batch['targets'], logits, dropout_rate=0.1)
    return loss['summed'] / loss['n_valid_examples'], new_model_state

  (loss, model_state), grad = jax.value_and_grad(loss_fn, has_aux=True)(params)
  updates, state = update(grad, state, params)
  return state, optax.apply_updates(params, updates), model_state, loss


_step = jax.jit(_one_step, static_argnames=('workload', 'update'))


def get_batch_size(workload_name: str) -> int | None:
  return {'wmt': 128}.get(workload_name)


def data_selection(
  workload: spec.Workload,
  input_queue: Any,
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
