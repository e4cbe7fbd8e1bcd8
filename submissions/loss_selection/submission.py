"""NAdamW on the examples of high loss: two batches drawn, one kept.

Jiang et al. 2019, "Accelerating deep learning by focusing on the biggest
losers" (arXiv 1910.00762), Selective-Backprop: an example is the likelier kept
the higher its loss ranks among recent ones. What differs: ranks are among the
examples drawn together, and just so many are kept, without replacement, as a
batch has (Loshchilov and Hutter 2015, "Online batch selection", arXiv
1511.06343). The loss of a text is the sum over its tokens, so that long ones
rank higher; the forward pass that ranks is without dropout and with the running
batch statistics. It is timed, as is all of data selection.
"""

from collections.abc import Iterator
import functools

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from submissions.nadamw import submission as nadamw

_POOL = 2  # Batches drawn for each that is kept.


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """NAdamW; `selectivity` is of the data selection."""
  return nadamw.optimizer(hyperparameters, step_hint)


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
  """A batch from twice as many examples."""
  del optimizer_state, global_step
  drawn = [next(input_queue) for _ in range(_POOL)]
  kept = _select(
    workload,
    current_param_container,
    model_state,
    drawn,
    hyperparameters.selectivity,
    rng,
  )
  # Divided over the devices as before, or the update would be compiled anew.
  return {
    name: jax.device_put(values, getattr(drawn[0][name], 'sharding', None))
    for name, values in kept.items()
  }


@functools.partial(jax.jit, static_argnames='workload')
def _select(
  workload: spec.Workload,
  params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  drawn: list[spec.Batch],
  selectivity: float,
  rng: spec.RandomState,
) -> spec.Batch:
  """As many of the examples drawn as one batch has."""
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
  losses_P = losses.reshape(len(losses), -1).sum(axis=1, dtype=jnp.float32)
  chosen_B = choose(losses_P, len(losses_P) // _POOL, selectivity, rng)
  return {name: values[chosen_B] for name, values in pool.items()}


def choose(
  losses_P: jax.Array,
  number: int,
  selectivity: float,
  rng: spec.RandomState,
) -> jax.Array:
  """Indices of examples, drawn in proportion to (rank / P)**selectivity.

  Args:
    losses_P: of the P examples of the pool.
    number: how many to draw, without replacement.
    selectivity: 0 for evenly; the larger, the more of the highest losses.
    rng: for the Gumbel noise whose largest sums make such a draw.
  """
  rank_P = jnp.argsort(jnp.argsort(losses_P)) + 1.0
  noise_P = jax.random.gumbel(rng, losses_P.shape)
  score_P = selectivity * jnp.log(rank_P / len(losses_P)) + noise_P
  return jax.lax.top_k(score_P, number)[1]
