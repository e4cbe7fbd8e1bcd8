"""AdamW as for AlgoPerf 0.5: pmap, every array with an axis of devices.

Uses names that have gone since: the package's older one, jax.tree_map, the type
of keys, and what optax keeps to itself.
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
from optax._src import transform


def scale_by_moments(b1: float, b2: float) -> optax.GradientTransformation:
  def init_fn(params: optax.Params) -> tuple[Any, Any, Any]:
    mu = jax.tree_map(jnp.zeros_like, params)
    nu = jax.tree_map(jnp.zeros_like, params)
    return jnp.zeros([], jnp.int32), mu, nu

  def update_fn(updates: Any, state: Any, params: Any = None) -> Any:
    del params
    count, mu, nu = state
    mu = transform.update_moment(updates, mu, b1, 1)
    nu = transform.update_moment(updates, nu, b2, 2)
    count = count + 1
    mu_hat = transform.bias_correction(mu, b1, count)
    nu_hat = transform.bias_correction(nu, b2, count)
    updates = jax.tree_map(
      lambda m, v: m / (jnp.sqrt(jnp.clip(v, a_min=0.0)) + 1e-8), mu_hat, nu_hat
    )
    return updates, (count, mu, nu)

  return optax.GradientTransformation(init_fn, update_fn)


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_params, model_state, rng
  params_zeros_like = jax.tree_map(
    lambda s: jnp.zeros(s.shape_tuple), workload.param_shapes
  )
  opt_init_fn, opt_update_fn = optax.chain(
    scale_by_moments(
      1 - hyperparameters.one_minus_beta1, hyperparameters.beta2
    ),
    optax.add_decayed_weights(hyperparameters.weight_decay),
    optax.scale(-hyperparameters.learning_rate),
  )
  optimizer_state = opt_init_fn(params_zeros_like)
  return jax_utils.replicate(optimizer_state), opt_update_fn


@functools.partial(
  jax.pmap,
  axis_name='batch',
  in_axes=(None, None, 0, 0, 0, 0, 0, None),
  static_broadcasted_argnums=(0, 1),
  donate_argnums=(2, 3, 4),
)
def pmapped_train_step(
  workload: spec.Workload,
  opt_update_fn: Any,
  model_state: spec.ModelAuxiliaryState,
  optimizer_state: spec.OptimizerState,
  current_param_container: spec.ParameterContainer,
  batch: dict[str, spec.Tensor],
  rng: jax.random.KeyArray,
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

  grad_fn = jax.value_and_grad(_loss_fn, has_aux=True)
  (summed_loss, (n_valid_examples, new_model_state)), grad = grad_fn(
    current_param_container
  )
  # Of all devices, which hold different numbers of valid examples.
  summed_loss, n_valid_examples, grad = lax.psum(
    (summed_loss, n_valid_examples, grad), axis_name='batch'
  )
  loss = summed_loss / n_valid_examples
  grad = jax.tree_map(lambda x: x / n_valid_examples, grad)
  grad_norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree_leaves(grad)))
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
) -> spec.UpdateReturn:
  del current_params_types, loss_type, eval_results
  optimizer_state, opt_update_fn = optimizer_state
  per_device_rngs = jax.random.split(rng, jax.local_device_count())
  new_optimizer_state, new_params, new_model_state, loss, grad_norm = (
    pmapped_train_step(
      workload,
      opt_update_fn,
      model_state,
      optimizer_state,
      current_param_container,
      batch,
      per_device_rngs,
      getattr(hyperparameters, 'label_smoothing', 0.0),
    )
  )
  if global_step % 100 == 0 and workload.metrics_logger is not None:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': loss[0], 'grad_norm': grad_norm[0]}, global_step
    )
  return (new_optimizer_state, opt_update_fn), new_params, new_model_state


def get_batch_size(workload_name: str) -> int:
  batch_sizes = {'wmt': 128, 'mnist': 16}
  return batch_sizes[workload_name]


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
