"""Submissions for AlgoPerf 0.5: every array has a leading axis of devices.

They are written with `jax.pmap`: parameters, model state and optimizer state
hold a copy for each device, and batches have the shape (devices, examples of a
device, …). `lift` gives them the workload that they expect; `replicate`,
`settle` and `place_batch` do for them what those of `sharding` do for others.
"""

from collections.abc import Callable
import copy
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from algoperf import sharding, spec, views
from algoperf import submission as submission_lib

_Evaluate = Callable[..., dict[str, float]]


def lift(submission: submission_lib.Submission) -> submission_lib.Submission:
  """The submission, whose functions get the workload of AlgoPerf 0.5.

  Raises:
    UsageError: there are several hosts; such submissions know one.
  """
  if jax.process_count() > 1:
    raise spec.UsageError(
      'a submission written with jax.pmap runs on one host: here are '
      f'{jax.process_count()} processes.'
    )
  return dataclasses.replace(views.through(submission, view), device_axis=True)


def view(
  workload: spec.Workload, hyperparameters: spec.Hyperparameters
) -> spec.Workload:
  """The workload, whose fresh parameters have the leading axis.

  What 0.5 told the model once, at its initialisation, it gets at each call: the
  rate of dropout, that of the hyperparameters if they have one. Here a model
  has one rate: a second one, `aux_dropout_rate`, is ignored.
  """
  viewed = copy.copy(workload)

  def set_dropout(rate: float | None) -> None:
    if rate is not None:
      viewed.model_fn = functools.partial(workload.model_fn, dropout_rate=rate)

  def init_model_fn(
    rng: spec.RandomState,
    dropout_rate: float | None = None,
    aux_dropout_rate: float | None = None,
  ) -> spec.ModelInitState:
    del aux_dropout_rate
    set_dropout(dropout_rate)
    return replicate(workload.init_model_fn(rng))

  viewed.init_model_fn = init_model_fn
  set_dropout(getattr(hyperparameters, 'dropout_rate', None))
  return viewed


def replicate(tree: Any) -> Any:
  """A copy of every array for each device, along a new first axis."""
  count = jax.local_device_count()
  return jax.device_put(
    jax.tree.map(
      lambda leaf: jnp.broadcast_to(leaf, (count, *jnp.shape(leaf))), tree
    ),
    sharding.batch_sharded(),
  )


def settle(optimizer_state: spec.OptimizerState) -> spec.OptimizerState:
  """Puts a state that has the leading axis where `replicate` puts parameters.

  Else the second update would be compiled anew; see `sharding.settle`.
  """

  def place(leaf: Any) -> Any:
    placed = getattr(leaf, 'sharding', None)
    if isinstance(placed, jax.NamedSharding) and len(placed.spec) == 1:
      return jax.device_put(leaf, sharding.batch_sharded())
    return leaf

  return sharding.of_pair(
    lambda state: jax.tree.map(place, state), optimizer_state
  )


def place_batch(batch: spec.Batch, batch_size: int) -> spec.Batch:
  """Puts a batch of numpy arrays on the devices, with the leading axis.

  Args:
    batch: arrays of `batch_size` examples along their first axis.
    batch_size: a multiple of the number of devices.
  """
  count = jax.local_device_count()
  return jax.device_put(
    {
      key: value.reshape(count, batch_size // count, *value.shape[1:])
      for key, value in batch.items()
    },
    sharding.batch_sharded(),
  )


def without_axis(evaluate: _Evaluate) -> _Evaluate:
  """Evaluates parameters that have the leading axis: the first device's.

  Of the model state the mean over the devices is taken, for each of them has
  batch statistics of its own.
  """

  @functools.partial(jax.jit, out_shardings=sharding.replicated())
  def one_copy(
    params: spec.ParameterContainer, model_state: spec.ModelAuxiliaryState
  ) -> spec.ModelInitState:
    return (
      jax.tree.map(lambda leaf: leaf[0], params),
      jax.tree.map(lambda leaf: leaf.mean(0).astype(leaf.dtype), model_state),
    )

  @functools.wraps(evaluate)
  def call(
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    rng: spec.RandomState,
  ) -> dict[str, float]:
    return evaluate(*one_copy(params, model_state), rng)

  return call
