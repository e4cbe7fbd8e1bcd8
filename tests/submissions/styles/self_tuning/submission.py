"""Without tuning: two restarts from fresh parameters, the best one goes on.

Takes the train state, draws several batches a step, initialises the model
again, looks at the evaluations, and ends the training itself.
"""

import collections
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from algoperf import spec

HPARAMS = {'learning_rate': 0.003, 'beta1': 0.9, 'beta2': 0.99}
RESTART_AT = 3
BATCHES = 2


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_state
  assert hyperparameters is None
  hyperparameters = collections.namedtuple('Hyperparameters', HPARAMS)(
    **HPARAMS
  )
  tx = optax.adam(
    hyperparameters.learning_rate, hyperparameters.beta1, hyperparameters.beta2
  )

  def train_step(
    opt_state: Any, params: Any, model_state: Any, batch: Any, rng: Any
  ) -> tuple[Any, ...]:
    def loss_fn(params: spec.ParameterContainer) -> tuple[Any, Any]:
      logits, new_model_state = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        update_batch_norm=True,
        dropout_rate=0.1,
      )
      loss = workload.loss_fn(
        label_batch=batch['targets'],
        logits_batch=logits,
        mask_batch=batch.get('weights'),
        label_smoothing=0.1,
      )
      return loss['summed'] / loss['n_valid_examples'], new_model_state

    grad, model_state = jax.grad(loss_fn, has_aux=True)(params)
    updates, opt_state = tx.update(grad, opt_state, params)
    return opt_state, optax.apply_updates(params, updates), model_state

  state = {
    'opt_state': tx.init(model_params),
    'restart_key': jnp.array(rng),
    'restarts': jnp.zeros([], jnp.int32),
  }
  return state, (tx, jax.jit(train_step, donate_argnums=(0, 1, 2)))


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
  train_state: dict[str, Any] | None = None,
) -> spec.UpdateReturn:
  del current_params_types, hyperparameters, loss_type
  state, (tx, train_step) = optimizer_state
  used = train_state['accumulated_submission_time']
  if eval_results:
    used = max(used, eval_results[-1][1]['score'])
  if used > 0.98 * 1.5 * workload.max_allowed_runtime_sec:
    raise spec.TrainingCompleteError
  params = current_param_container
  if global_step == RESTART_AT:
    key = jax.random.fold_in(state['restart_key'], global_step)
    params, model_state = workload.init_model_fn(key)
    state = state | {
      'opt_state': tx.init(params),
      'restarts': state['restarts'] + 1,
    }
  opt_state, params, model_state = train_step(
    state['opt_state'], params, model_state, batch, rng
  )
  state = state | {'opt_state': opt_state}
  return (state, (tx, train_step)), params, model_state


def get_batch_size(workload_name: str) -> int:
  if workload_name == 'wmt':
    batch_size = 128
  elif workload_name == 'mnist':
    batch_size = 16
  return batch_size


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
  batches = [next(input_queue) for _ in range(BATCHES)]
  return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *batches)
