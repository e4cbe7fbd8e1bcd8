"""Two gradients a step, as for AlgoPerf 0.6: helpers place what it keeps.

The transformation asks for a gradient function; neighbours are imported by
their path in the repository, and the module's own names hide theirs.
"""

from collections.abc import Callable
import functools
from typing import Any

from algorithms.target_setting_algorithms import data_selection as selection
from algorithms.target_setting_algorithms.get_batch_size import (
  get_batch_size,  # noqa: F401
)
import jax
import jax.numpy as jnp
import optax

from algoperf import jax_sharding_utils, spec

data_selection = selection.data_selection


def dual_vector(y: Any) -> Any:
  norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree_util.tree_leaves(y)))
  return jax.tree.map(lambda g: g / norm, y)


def ascending(
  base: optax.GradientTransformation, rho: float
) -> optax.GradientTransformation:
  def update_fn(
    grads: optax.Updates,
    state: optax.OptState,
    fn_and_params: tuple[Callable[[Any], Any], optax.Params],
  ) -> tuple[optax.Updates, optax.OptState]:
    grad_fn, params = fn_and_params
    noised = jax.tree.map(lambda p, g: p + rho * g, params, dual_vector(grads))
    (_, _), grads = grad_fn(noised)
    return base.update(grads, state, params)

  return optax.GradientTransformation(base.init, update_fn)


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_params, model_state, rng
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=hyperparameters.learning_rate,
    warmup_steps=max(int(0.02 * workload.step_hint), 1),
    decay_steps=workload.step_hint,
  )
  opt_init_fn, opt_update_fn = ascending(
    optax.adamw(schedule, weight_decay=hyperparameters.weight_decay),
    hyperparameters.rho,
  )
  zeros = jax.tree.map(
    lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes
  )
  state = jax_sharding_utils.replicate(opt_init_fn(zeros))
  return state, opt_update_fn


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3, 4))
def train_step(
  workload: spec.Workload,
  opt_update_fn: Any,
  model_state: spec.ModelAuxiliaryState,
  optimizer_state: spec.OptimizerState,
  params: spec.ParameterContainer,
  batch: dict[str, spec.Tensor],
  rng: spec.RandomState,
  label_smoothing: float,
) -> tuple[Any, ...]:
  def _loss_fn(
    params: spec.ParameterContainer, update_batch_norm: bool = True
  ) -> tuple[Any, Any]:
    logits, new_model_state = workload.model_fn(
      params,
      batch,
      model_state,
      spec.ForwardPassMode.TRAIN,
      rng,
      update_batch_norm=update_batch_norm,
    )
    loss = workload.loss_fn(
      label_batch=batch['targets'],
      logits_batch=logits,
      mask_batch=batch.get('weights'),
      label_smoothing=label_smoothing,
    )
    return loss['summed'] / loss['n_valid_examples'], new_model_state

  again = jax.value_and_grad(
    functools.partial(_loss_fn, update_batch_norm=False), has_aux=True
  )
  (loss, model_state), grad = jax.value_and_grad(_loss_fn, has_aux=True)(params)
  updates, optimizer_state = opt_update_fn(
    grad, optimizer_state, (again, params)
  )
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
  train_state: dict[str, Any] | None = None,
) -> spec.UpdateReturn:
  del current_params_types, loss_type, eval_results, train_state
  optimizer_state, opt_update_fn = optimizer_state
  optimizer_state, params, model_state, loss = train_step(
    workload,
    opt_update_fn,
    model_state,
    optimizer_state,
    current_param_container,
    batch,
    rng,
    hyperparameters.label_smoothing,
  )
  if global_step % 100 == 0:
    workload.metrics_logger.append_scalar_metrics({'loss': loss}, global_step)
  return (optimizer_state, opt_update_fn), params, model_state
