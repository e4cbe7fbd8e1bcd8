"""Adam whose average is evaluated, and trained from there on.

Its neighbour is imported by the path in the repository of submissions, whose
folder is called like a package of the harness. The compiled update is kept in
the optimizer state.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from submissions.external_tuning.averaging import polyak


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_state, rng
  tx = optax.adam(hyperparameters.learning_rate)

  def train_step(
    state: Any, params: Any, model_state: Any, batch: Any, rng: Any
  ) -> tuple[Any, ...]:
    def loss_fn(params: spec.ParameterContainer) -> tuple[Any, Any]:
      logits, new_model_state = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        update_batch_norm=True,
      )
      loss = workload.loss_fn(batch['targets'], logits, batch.get('weights'))
      return loss['summed'] / loss['n_valid_examples'], new_model_state

    (loss, model_state), grad = jax.value_and_grad(loss_fn, has_aux=True)(
      params
    )
    updates, opt_state = tx.update(grad, state['opt_state'], params)
    params = optax.apply_updates(params, updates)
    average = polyak.average(state['average'], params, hyperparameters.decay)
    state = {'opt_state': opt_state, 'average': average, 'loss': loss}
    return state, params, model_state

  state = {
    'opt_state': tx.init(model_params),
    'average': jax.tree.map(jnp.array, model_params),
    'loss': jnp.zeros(()),
  }
  return state, jax.jit(train_step, donate_argnums=(0, 1, 2))


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
  del current_params_types, loss_type, hyperparameters, eval_results
  state, train_step = optimizer_state
  state, params, model_state = train_step(
    state, current_param_container, model_state, batch, rng
  )
  if global_step % 100 == 0:  # The next step donates the loss.
    workload.metrics_logger.append_scalar_metrics(
      {'loss': state['loss']}, global_step
    )
  return (state, train_step), params, model_state


def prepare_for_eval(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  loss_type: spec.LossType,
  optimizer_state: spec.OptimizerState,
  eval_results: list[tuple[int, float]],
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  del workload, current_params_types, hyperparameters, loss_type
  del eval_results, global_step, rng, current_param_container
  state, _ = optimizer_state
  return optimizer_state, jax.tree.map(jnp.array, state['average']), model_state


def get_batch_size(workload_name: str) -> int:
  raise ValueError(workload_name)


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
