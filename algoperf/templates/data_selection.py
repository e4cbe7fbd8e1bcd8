"""SUBMISSION_NAME: say here what it does, and which paper it follows.

The short form with a choice of examples: of two batches drawn, those examples
are kept on which the model does worst. Whatever happens here is timed.
"""

from collections.abc import Iterator
import functools

import jax
import jax.numpy as jnp
import optax

from algoperf import spec


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """What is done with the gradients of the examples that were kept.

  Args:
    hyperparameters: one point of tuning_search_space.json.
    step_hint: about how many updates the budget allows.
  """
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=hyperparameters.learning_rate,
    warmup_steps=step_hint // 20,
    decay_steps=step_hint,
  )
  return optax.adamw(schedule, weight_decay=hyperparameters.weight_decay)


def data_selection(
  workload: spec.Workload,
  input_queue: Iterator[spec.Batch],
  optimizer_state: spec.OptimizerState,
  current_param_container: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  global_step: int,
  rng: spec.RandomState,
) -> spec.Batch:
  """The batch of the next update; may draw any number of batches."""
  del optimizer_state, hyperparameters, global_step
  drawn = [next(input_queue), next(input_queue)]
  kept = _hardest(workload, current_param_container, model_state, drawn, rng)
  # Divided over the devices as before, or the update would be compiled anew.
  return {
    name: jax.device_put(values, getattr(drawn[0][name], 'sharding', None))
    for name, values in kept.items()
  }


@functools.partial(jax.jit, static_argnames='workload')
def _hardest(
  workload: spec.Workload,
  params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  drawn: list[spec.Batch],
  rng: spec.RandomState,
) -> spec.Batch:
  """As many examples as one batch has: those of the highest loss."""
  pool = jax.tree.map(lambda *parts: jnp.concatenate(parts), *drawn)
  logits, _ = workload.model_fn(
    params,
    pool,
    model_state,
    spec.ForwardPassMode.EVAL,
    rng,
    update_batch_norm=False,
  )
  losses = workload.loss_fn(
    label_batch=pool['targets'],
    logits_batch=logits,
    mask_batch=pool.get('weights'),
  )['per_example']
  losses = losses.reshape(len(losses), -1).sum(axis=1, dtype=jnp.float32)
  _, chosen = jax.lax.top_k(losses, len(losses) // len(drawn))
  return {name: values[chosen] for name, values in pool.items()}
