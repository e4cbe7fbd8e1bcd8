"""SUBMISSION_NAME: say here what it does, and which paper it follows.

This is the full form: the functions of AlgoPerf's JAX API, written out. It
does what the short form does, and every part of it may be changed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import optax

from algoperf import spec

OptimizerState = tuple[optax.OptState, Callable[..., tuple[Any, ...]]]


def get_batch_size(workload_name: str) -> int:
  """The global batch size; after ValueError, the benchmark's own is used."""
  raise ValueError(f'No batch size of its own for workload {workload_name!r}.')


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> OptimizerState:
  """The state, which checkpoints keep, and the compiled training step."""
  del model_state, rng
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=hyperparameters.learning_rate,
    warmup_steps=workload.step_hint // 20,
    decay_steps=workload.step_hint,
  )
  tx = optax.adamw(schedule, weight_decay=hyperparameters.weight_decay)

  def train_step(
    opt_state: optax.OptState,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    batch: spec.Batch,
    rng: spec.RandomState,
  ) -> tuple[Any, ...]:
    def loss_fn(
      params: spec.ParameterContainer,
    ) -> tuple[spec.Tensor, spec.ModelAuxiliaryState]:
      logits, new_model_state = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        update_batch_norm=True,
      )
      loss = workload.loss_fn(
        label_batch=batch['targets'],
        logits_batch=logits,
        mask_batch=batch.get('weights'),
      )
      return loss['summed'] / loss['n_valid_examples'], new_model_state

    (loss, model_state), grads = jax.value_and_grad(loss_fn, has_aux=True)(
      params
    )
    updates, opt_state = tx.update(grads, opt_state, params)
    return opt_state, optax.apply_updates(params, updates), model_state, loss

  return tx.init(model_params), jax.jit(train_step, donate_argnums=(0, 1, 2))


def update_params(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  batch: spec.Batch,
  loss_type: spec.LossType,
  optimizer_state: OptimizerState,
  eval_results: spec.EvalResults,
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  """One update: timed, as are the functions below."""
  del current_params_types, hyperparameters, loss_type, eval_results
  opt_state, train_step = optimizer_state
  opt_state, params, model_state, loss = train_step(
    opt_state, current_param_container, model_state, batch, rng
  )
  if global_step % 100 == 0 and workload.metrics_logger is not None:
    workload.metrics_logger.append_scalar_metrics({'loss': loss}, global_step)
  return (opt_state, train_step), params, model_state


def prepare_for_eval(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  loss_type: spec.LossType,
  optimizer_state: OptimizerState,
  eval_results: spec.EvalResults,
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  """What is evaluated; training goes on from it."""
  del workload, current_params_types, hyperparameters, loss_type
  del eval_results, global_step, rng
  return optimizer_state, current_param_container, model_state


def data_selection(
  workload: spec.Workload,
  input_queue: Iterator[spec.Batch],
  optimizer_state: OptimizerState,
  current_param_container: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  global_step: int,
  rng: spec.RandomState,
) -> spec.Batch:
  """The batch of the next update; may draw any number of batches."""
  del workload, optimizer_state, current_param_container, model_state
  del hyperparameters, global_step, rng
  return next(input_queue)
