"""Adam as for AlgoPerf 0.6, with a mesh of its own and a map over shards.

It places what it gets once more, looks at the mesh that the harness has, sums
gradients by hand, and knows several hosts.
"""

from collections.abc import Iterator
import functools
from typing import Any

import jax
from jax.experimental import mesh_utils, multihost_utils
from jax.experimental.shard_map import shard_map
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
import optax

from algoperf import jax_sharding_utils, spec


def _mesh() -> Mesh:
  return Mesh(mesh_utils.create_device_mesh((jax.device_count(),)), ('batch',))


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> spec.OptimizerState:
  del model_state, rng
  mesh = _mesh()
  replicated = NamedSharding(mesh, P())
  assert jax_sharding_utils.get_replicate_sharding(mesh).is_fully_replicated
  assert jax_sharding_utils.get_batch_dim_sharding(mesh).spec == P('batch')
  tx = optax.adam(
    hyperparameters.learning_rate, b1=1 - hyperparameters.one_minus_beta1
  )
  state = jax.device_put(tx.init(model_params), replicated)
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices('init')
  return state, _make_step(workload, tx, mesh)


def _make_step(workload: spec.Workload, tx: Any, mesh: Mesh) -> Any:
  def gradients(
    params: Any, model_state: Any, batch: Any, rng: Any
  ) -> tuple[Any, ...]:
    rng = jax.random.fold_in(rng, jax.lax.axis_index('batch'))

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
        label_batch=batch['targets'],
        logits_batch=logits,
        mask_batch=batch.get('weights'),
      )
      return loss['summed'], (loss['n_valid_examples'], new_state)

    (loss, (valid, model_state)), grads = jax.value_and_grad(
      loss_fn, has_aux=True
    )(params)
    loss, valid, grads = jax.lax.psum((loss, valid, grads), 'batch')
    model_state = jax.lax.pmean(model_state, 'batch')
    return jax.tree.map(lambda g: g / valid, grads), model_state, loss / valid

  mapped = shard_map(
    gradients,
    mesh=mesh,
    in_specs=(P(), P(), P('batch'), P()),
    out_specs=(P(), P(), P()),
    check_rep=False,
  )

  @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
  def step(
    opt_state: Any, params: Any, model_state: Any, batch: Any, rng: Any
  ) -> tuple[Any, ...]:
    grads, model_state, loss = mapped(params, model_state, batch, rng)
    updates, opt_state = tx.update(grads, opt_state, params)
    params = optax.apply_updates(params, updates)
    params = jax.lax.with_sharding_constraint(params, NamedSharding(mesh, P()))
    return opt_state, params, model_state, loss

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
  train_state: dict[str, Any] | None = None,
) -> spec.UpdateReturn:
  del current_params_types, hyperparameters, loss_type
  del eval_results, train_state
  opt_state, step = optimizer_state
  batch = jax_sharding_utils.shard_along_batch_dim(batch)
  opt_state, params, model_state, loss = step(
    opt_state,
    current_param_container,
    model_state,
    batch,
    jnp.asarray(rng),
  )
  if global_step % 100 == 0 and jax.process_index() == 0:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': loss.item()}, global_step
    )
  return (opt_state, step), params, model_state


def get_batch_size(workload_name: str) -> int:
  batch_sizes = {'wmt': 128}
  if workload_name not in batch_sizes:
    raise ValueError(f'Unsupported workload name: {workload_name}.')
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
