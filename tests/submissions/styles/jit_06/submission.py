"""NAdamW as for AlgoPerf 0.6: jit with shardings, everything donated."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from algoperf import jax_sharding_utils, spec

_GRAD_CLIP_EPS = 1e-6


class ScaleByAdamState(NamedTuple):
  count: chex.Array
  mu: optax.Updates
  nu: optax.Updates


def scale_by_nadam(b1: float, b2: float) -> optax.GradientTransformation:
  def init_fn(params: optax.Params) -> ScaleByAdamState:
    mu = jax.tree_util.tree_map(jnp.zeros_like, params)
    nu = jax.tree_util.tree_map(jnp.zeros_like, params)
    return ScaleByAdamState(count=jnp.zeros([], jnp.int32), mu=mu, nu=nu)

  def update_fn(
    updates: optax.Updates,
    state: ScaleByAdamState,
    params: optax.Params | None = None,
  ) -> tuple[optax.Updates, ScaleByAdamState]:
    del params
    ema = lambda decay, power: (  # noqa: E731
      lambda g, m: (1 - decay) * g**power + decay * m
    )
    mu = jax.tree_util.tree_map(ema(b1, 1), updates, state.mu)
    nu = jax.tree_util.tree_map(ema(b2, 2), updates, state.nu)
    count = state.count + jnp.array(1, dtype=jnp.int32)
    ahead = jax.tree_util.tree_map(ema(b1, 1), updates, mu)
    updates = jax.tree_util.tree_map(
      lambda m, v: m / (1 - b1**count) / (jnp.sqrt(v / (1 - b2**count)) + 1e-8),
      ahead,
      nu,
    )
    return updates, ScaleByAdamState(count=count, mu=mu, nu=nu)

  return optax.GradientTransformation(init_fn, update_fn)


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_params, model_state, rng

  def cosine_warmup(step_hint: int) -> optax.Schedule:
    warmup_steps = int(hyperparameters.warmup_factor * step_hint)
    peak = hyperparameters.learning_rate
    return optax.join_schedules(
      [
        optax.linear_schedule(0.0, peak, transition_steps=warmup_steps),
        optax.cosine_decay_schedule(
          peak, decay_steps=max(step_hint - warmup_steps, 1)
        ),
      ],
      boundaries=[warmup_steps],
    )

  opt_init_fn, opt_update_fn = optax.chain(
    scale_by_nadam(
      1.0 - hyperparameters.one_minus_beta1, hyperparameters.beta2
    ),
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.scale_by_learning_rate(cosine_warmup(workload.step_hint)),
  )
  params_zeros_like = jax.tree_util.tree_map(
    lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes
  )
  return opt_init_fn(params_zeros_like), opt_update_fn


def train_step(
  workload: spec.Workload,
  opt_update_fn: Callable[..., Any],
  model_state: spec.ModelAuxiliaryState,
  optimizer_state: spec.OptimizerState,
  current_param_container: spec.ParameterContainer,
  batch: dict[str, spec.Tensor],
  rng: spec.RandomState,
  grad_clip: float | None,
  label_smoothing: float,
  dropout_rate: float,
) -> tuple[Any, ...]:
  def _loss_fn(params: spec.ParameterContainer) -> tuple[Any, Any]:
    logits, new_model_state = workload.model_fn(
      params,
      batch,
      model_state,
      spec.ForwardPassMode.TRAIN,
      rng,
      update_batch_norm=True,
      dropout_rate=dropout_rate,
    )
    loss_dict = workload.loss_fn(
      label_batch=batch['targets'],
      logits_batch=logits,
      mask_batch=batch.get('weights'),
      label_smoothing=label_smoothing,
    )
    return loss_dict['summed'], (loss_dict['n_valid_examples'], new_model_state)

  grad_fn = jax.value_and_grad(_loss_fn, has_aux=True)
  (summed_loss, (n_valid_examples, new_model_state)), grad = grad_fn(
    current_param_container
  )
  loss = summed_loss / n_valid_examples
  grad = jax.tree.map(lambda x: x / n_valid_examples, grad)
  grad_norm = jnp.sqrt(
    sum(jnp.sum(g**2) for g in jax.tree_util.tree_leaves(grad))
  )
  if grad_clip is not None:
    scaling = jax.lax.clamp(
      min=0.0, x=grad_clip / (grad_norm + _GRAD_CLIP_EPS), max=1.0
    )
    grad = jax.tree.map(lambda x: x * scaling, grad)
  updates, new_optimizer_state = opt_update_fn(
    grad, optimizer_state, current_param_container
  )
  updated_params = optax.apply_updates(current_param_container, updates)
  return new_optimizer_state, updated_params, new_model_state, loss, grad_norm


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
  del current_params_types, loss_type, train_state, eval_results
  optimizer_state, opt_update_fn = optimizer_state
  label_smoothing = (
    hyperparameters.label_smoothing
    if hasattr(hyperparameters, 'label_smoothing')
    else 0.0
  )
  grad_clip = (
    hyperparameters.grad_clip if hasattr(hyperparameters, 'grad_clip') else None
  )
  replicated = jax_sharding_utils.get_replicate_sharding()
  sharded = jax_sharding_utils.get_batch_dim_sharding()
  jitted_train_step = jax.jit(
    train_step,
    static_argnums=(0, 1),
    donate_argnums=(2, 3, 4),
    in_shardings=(
      replicated,  # model_state
      replicated,  # optimizer_state
      replicated,  # current_param_container
      sharded,  # batch
      replicated,  # rng
      replicated,  # grad_clip
      replicated,  # label_smoothing
      replicated,  # dropout_rate
    ),
    out_shardings=(replicated, replicated, replicated, replicated, replicated),
  )
  new_optimizer_state, new_params, new_model_state, loss, grad_norm = (
    jitted_train_step(
      workload,
      opt_update_fn,
      model_state,
      optimizer_state,
      current_param_container,
      batch,
      rng,
      grad_clip,
      label_smoothing,
      hyperparameters.dropout_rate,
    )
  )
  if global_step % 100 == 0 and workload.metrics_logger is not None:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': loss, 'grad_norm': grad_norm}, global_step
    )
  return (new_optimizer_state, opt_update_fn), new_params, new_model_state


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
  del workload, hyperparameters, current_params_types
  del loss_type, eval_results, global_step, rng
  return optimizer_state, current_param_container, model_state


def get_batch_size(workload_name: str) -> int:
  if workload_name == 'wmt':
    return 128
  if workload_name == 'mnist':
    return 16
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
