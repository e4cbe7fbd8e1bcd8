"""Parameters by their kind, frozen dictionaries, a rate that evaluations lower.

The state is a named tuple of four; batches are used twice; nothing is jitted
but one closure, which is made when it is first needed.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from flax import traverse_util
from flax.core import FrozenDict, freeze, unfreeze
import jax
import jax.numpy as jnp
import numpy as np
import optax

from algoperf import spec

_STEP = {}
_LAST = {}


class Everything(NamedTuple):
  opt: Any
  scale: jax.Array
  best: jax.Array
  steps: int


def _labels(
  types: spec.ParameterTypeTree, workload: spec.Workload
) -> dict[str, Any]:
  kinds = traverse_util.flatten_dict(unfreeze(freeze(types)))
  flat = traverse_util.flatten_dict(workload.param_shapes)
  labels = {}
  for path in flat:
    kind = kinds[tuple(part.lower() for part in path)]
    plain = kind in (
      spec.ParameterType.BIAS,
      spec.ParameterType.LAYER_NORM_SCALE,
      spec.ParameterType.BATCH_NORM_SCALE,
    )
    if workload.is_output_params(path[0]):
      labels[path] = 'output'
    else:
      labels[path] = 'plain' if plain else 'decayed'
  return traverse_util.unflatten_dict(labels)


def _transformation(
  hyperparameters: spec.Hyperparameters, labels: Any
) -> optax.GradientTransformation:
  rate, beta2 = hyperparameters.learning_rate, hyperparameters.beta2
  injected = optax.inject_hyperparams(optax.adam)
  return optax.multi_transform(
    {
      'plain': injected(learning_rate=rate, b2=beta2),
      'output': optax.chain(optax.clip(1.0), optax.adam(rate, b2=beta2)),
      'decayed': optax.adamw(rate, b2=beta2, weight_decay=1e-3),
    },
    FrozenDict(labels),
  )


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_state, rng
  _STEP.clear()
  labels = _labels(workload.model_params_types, workload)
  tx = _transformation(hyperparameters, labels)
  one = jnp.ones([])
  return Everything(tx.init(freeze(model_params)), one, jnp.inf * one, 0)


def _make_step(
  workload: spec.Workload, hyperparameters: spec.Hyperparameters
) -> Any:
  labels = _labels(workload.model_params_types, workload)
  tx = _transformation(hyperparameters, labels)

  @jax.jit
  def step(
    opt: Any, params: Any, model_state: Any, batch: Any, rng: Any, scale: Any
  ) -> tuple[Any, ...]:
    def loss_fn(params: spec.ParameterContainer) -> tuple[Any, Any]:
      logits, new_state = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        update_batch_norm=True,
        dropout_rate=0.0,
      )
      loss = workload.loss_fn(
        batch['targets'], logits, batch.get('weights'), 0.0
      )
      return loss['per_example'].sum() / loss['n_valid_examples'], new_state

    grads, model_state = jax.grad(loss_fn, has_aux=True)(params)
    updates, opt = tx.update(grads, opt, params)
    updates = jax.tree_util.tree_map_with_path(
      lambda path, u: scale * u if path else u, updates
    )
    return opt, optax.apply_updates(params, updates), model_state

  return step


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
  del current_params_types
  assert loss_type in spec.LossType
  state = optimizer_state
  if eval_results:
    _, latest = eval_results[-1]
    loss = latest['validation/loss']
    worse = np.isfinite(loss) and loss > 1.5 * float(state.best)
    state = state._replace(
      scale=state.scale * (0.5 if worse else 1.0),
      best=jnp.minimum(state.best, loss),
    )
  if 'step' not in _STEP:
    _STEP['step'] = _make_step(workload, hyperparameters)
  params = freeze(current_param_container)
  opt, params, model_state = _STEP['step'](
    state.opt, params, model_state, batch, rng, state.scale
  )
  state = state._replace(opt=opt, steps=global_step + 1)
  return state, unfreeze(params), model_state


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
  del eval_results, rng
  assert optimizer_state.steps == global_step
  return optimizer_state, freeze(current_param_container), model_state


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
  del model_state, hyperparameters, rng
  if global_step % 2 == 0 or 'batch' not in _LAST:
    _LAST['batch'] = next(input_queue)
  return _LAST['batch']
