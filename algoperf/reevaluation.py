"""Evaluates a checkpoint again, without the code of the submission.

What is needed of the checkpoint are the arrays of parameters and model state;
their structure is the workload's own, so nothing is unpickled.
"""

from collections.abc import Iterator, Mapping
import functools
from typing import Any

import jax
import numpy as np

from algoperf import benchmark as benchmark_lib
from algoperf import (
  checkpoint,
  device_axis,
  evaluation,
  seeds,
  sharding,
  spec,
)
from algoperf.hardware import profiles


class Evaluator:
  """Evaluates checkpoints; all of a process at the same settings."""

  def __init__(self, data_dir: str):
    self._data_dir = data_dir
    self._settings: tuple[Any, ...] | None = None

  def __call__(
    self, trial: Mapping[str, Any], found: checkpoint.Checkpoint
  ) -> dict[str, float]:
    """The results of a checkpoint's parameters on the workload's data.

    Args:
      trial: the content of trial.json.
      found: a checkpoint of it.

    Raises:
      ValueError: the arrays are not those of the workload's model.
      UsageError: the data are missing, this machine does not match the trial's
        profile, or an earlier trial needed other settings.
    """
    benchmark = benchmark_lib.load(trial['benchmark'])
    self._prepare(trial, benchmark.precision)
    from workloads import registry  # Imports every model.

    goal = benchmark.row(trial['workload']).goal
    workload = registry.get(trial['workload']).with_goal(goal)
    workload.require_data(self._data_dir)
    keys = seeds.trial_keys(trial['seed'], trial['ruleset'])
    evaluate = functools.partial(
      evaluation.evaluate, workload, data_dir=self._data_dir
    )
    fresh = workload.init_model_fn(keys.model)
    params, model_state, has_device_axis = _model(found, fresh)
    if has_device_axis:
      evaluate = device_axis.without_axis(evaluate)
    else:
      params, model_state = map(sharding.replicate, (params, model_state))
    step = max(0, found.header['step'] - 1)
    rng = seeds.StepKeySequence(keys.loop, step)[step].evaluation
    return evaluate(params, model_state, rng)

  def _prepare(self, trial: Mapping[str, Any], precision: str) -> None:
    """Sets JAX up as in the trial, before it starts its devices."""
    settings = (trial['hardware_profile'], trial['xla_flags'], precision)
    if self._settings is None:
      jax.config.update('jax_default_matmul_precision', precision)
      profiles.prepare(*settings[:2])
      self._settings = settings
    if settings != self._settings:
      raise spec.UsageError(
        'these trials ran at different settings of JAX: verify one experiment '
        'at a time.'
      )


def _model(
  found: checkpoint.Checkpoint, fresh: spec.ModelInitState
) -> tuple[spec.ParameterContainer, spec.ModelAuxiliaryState, bool]:
  """Parameters and model state; whether they have a leading axis of devices."""
  arrays = iter(found.arrays)
  trees = [
    _tree(found.header['trees'][name], arrays, tree)
    for name, tree in zip(('params', 'model_state'), fresh, strict=True)
  ]
  extra = {
    np.ndim(leaf) - np.ndim(own)
    for tree, mine in zip(trees, fresh, strict=True)
    for leaf, own in zip(*map(jax.tree.leaves, (tree, mine)), strict=True)
  }
  if extra not in ({0}, {1}):
    raise ValueError('its arrays have other dimensions than the model')
  _check_shapes(trees, fresh, skip=max(extra))
  return (*trees, extra == {1})


def _tree(
  description: Mapping[str, Any], arrays: Iterator[np.ndarray], fresh: Any
) -> Any:
  """Arrays in the structure of a fresh tree."""
  structure = jax.tree.structure(fresh)
  leaves = description['leaves']
  if description['structure'] is not None or len(leaves) != (
    structure.num_leaves
  ):
    raise ValueError('its structure is not that of the model')
  for leaf in leaves:
    if leaf['kind'] != 'jax' or 'key' in leaf:
      raise ValueError('it holds something else than arrays')
  return jax.tree.unflatten(
    structure, [_array(leaf, arrays) for leaf in leaves]
  )


def _array(leaf: Mapping[str, Any], arrays: Iterator[np.ndarray]) -> np.ndarray:
  """One array, put together of its parts if it was divided over devices."""
  if leaf['parts'] is None:
    return next(arrays)
  parts = [next(arrays) for _ in leaf['parts']]
  whole = np.empty(leaf['shape'], parts[0].dtype)
  if sum(part.size for part in parts) != whole.size:
    raise ValueError('parts of its arrays are on other hosts')
  for bounds, part in zip(leaf['parts'], parts, strict=True):
    whole[tuple(slice(*ends) for ends in bounds)] = part
  return whole


def _check_shapes(trees: Any, fresh: Any, skip: int) -> None:
  pairs = zip(*map(jax.tree.leaves, (trees, list(fresh))), strict=True)
  for leaf, own in pairs:
    if leaf.shape[skip:] != own.shape or leaf.dtype != own.dtype:
      raise ValueError(
        f'it holds {leaf.dtype.name}{list(leaf.shape)} where the model has '
        f'{own.dtype.name}{list(own.shape)}'
      )
