"""Schedule-Free AdamW: evaluates other parameters than it trains.

The state is a named tuple with the compiled update beside it; the parameters
that are trained stay in it while the runner holds those to evaluate. What it
returns lies on a mesh of its own.
"""

from collections.abc import Iterator
import functools
from typing import Any, NamedTuple, Optional

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from algoperf import spec


class State(NamedTuple):
  opt: contrib.ScheduleFreeState
  trained: Optional[spec.ParameterContainer]  # noqa: UP045


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_state, rng
  tx = contrib.schedule_free_adamw(
    learning_rate=hyperparameters.learning_rate,
    warmup_steps=int(hyperparameters.warmup_factor * workload.step_hint),
    b1=1 - hyperparameters.one_minus_beta1,
    b2=hyperparameters.beta2,
    weight_decay=hyperparameters.weight_decay,
  )

  mesh = jax.make_mesh((jax.device_count(),), ('batch',))
  replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

  @functools.partial(jax.jit, out_shardings=replicated)
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
      )
      loss = workload.loss_fn(
        label_batch=batch['targets'],
        logits_batch=logits,
        mask_batch=batch.get('weights'),
        label_smoothing=0.0,
      )
      return loss['summed'] / loss['n_valid_examples'], new_model_state

    (loss, model_state), grad = jax.value_and_grad(loss_fn, has_aux=True)(
      params
    )
    updates, opt_state = tx.update(grad, opt_state, params)
    return opt_state, optax.apply_updates(params, updates), model_state, loss

  params = jax.device_put(jax.tree.map(jnp.array, model_params), replicated)
  return State(tx.init(params), None), train_step


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
  del current_params_types, hyperparameters, loss_type, eval_results
  assert dict(**train_state)['training_complete'] is False
  state, train_step = optimizer_state
  params = current_param_container if state.trained is None else state.trained
  opt, params, model_state, loss = train_step(
    state.opt, params, model_state, batch, rng
  )
  if global_step % 100 == 0:
    workload.metrics_logger.append_scalar_metrics({'loss': loss}, global_step)
  return (State(opt, None), train_step), params, model_state


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
  del eval_results, global_step, rng
  state, train_step = optimizer_state
  trained = current_param_container
  params = contrib.schedule_free_eval_params(state.opt, trained)
  return (state._replace(trained=trained), train_step), params, model_state


def get_batch_size(workload_name: str) -> int:
  if workload_name == 'wmt':
    return 128
  raise NotImplementedError(workload_name)


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
