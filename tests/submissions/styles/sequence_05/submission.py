"""Without tuning, as for AlgoPerf 0.5: settings in sequence, from new weights.

What the state keeps beside arrays: numbers, and a compiled function that is
another one after each restart. The rate of dropout goes to `init_model_fn`.
"""

from collections.abc import Iterator
import functools
from typing import Any

from algorithmic_efficiency import spec
from flax import jax_utils
import jax
from jax import lax
import jax.numpy as jnp
import optax

SETTINGS = [
  {'learning_rate': 1e-3, 'beta1': 0.9, 'dropout_rate': 0.1, 'steps': 4},
  {'learning_rate': 4e-3, 'beta1': 0.9, 'dropout_rate': 0.0, 'steps': 10**9},
]


def _optimizer(setting: dict[str, Any]) -> optax.GradientTransformation:
  return optax.adam(setting['learning_rate'], b1=setting['beta1'], b2=0.99)


def _started(
  workload: spec.Workload, index: int, start: int
) -> tuple[dict[str, Any], Any]:
  zeros = jax.tree_util.tree_map(
    lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes
  )
  init_fn, update_fn = _optimizer(SETTINGS[index])
  state = {
    'optimizer': jax_utils.replicate(init_fn(zeros)),
    'index': index,
    'end': start + SETTINGS[index]['steps'],
  }
  return state, update_fn


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_params, model_state, hyperparameters, rng
  return _started(workload, 0, 0)


@functools.partial(
  jax.pmap,
  axis_name='batch',
  in_axes=(None, None, 0, 0, 0, 0, 0),
  static_broadcasted_argnums=(0, 1),
)
def _train_step(
  workload: spec.Workload,
  update_fn: Any,
  model_state: Any,
  optimizer_state: Any,
  params: Any,
  batch: Any,
  rng: Any,
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
      batch['targets'], logits, mask_batch=batch.get('weights')
    )
    return loss['summed'] / loss['n_valid_examples'], new_model_state

  (loss, model_state), grad = jax.value_and_grad(loss_fn, has_aux=True)(params)
  loss, grad = lax.pmean((loss, grad), axis_name='batch')
  updates, optimizer_state = update_fn(grad, optimizer_state, params)
  params = optax.apply_updates(params, updates)
  return optimizer_state, params, model_state, loss


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
  del current_params_types, hyperparameters, loss_type, eval_results
  state, update_fn = optimizer_state
  params = current_param_container
  if global_step == state['end']:
    index = state['index'] + 1
    if index == len(SETTINGS):
      raise spec.TrainingCompleteError
    rate = SETTINGS[index]['dropout_rate']
    params, model_state = workload.init_model_fn(rng, rate, rate)
    state, update_fn = _started(workload, index, global_step)
  rngs = jax.random.split(rng, jax.local_device_count())
  optimizer, params, model_state, loss = _train_step(
    workload, update_fn, model_state, state['optimizer'], params, batch, rngs
  )
  if global_step % 100 == 0 and workload.metrics_logger:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': jax_utils.unreplicate(loss)}, global_step
    )
  return (state | {'optimizer': optimizer}, update_fn), params, model_state


def get_batch_size(workload_name: str) -> int:
  return {'wmt': 128}[workload_name]


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
