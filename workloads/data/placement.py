"""Evaluation batches onto the devices that the parameters are on."""

from collections.abc import Iterable, Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec, Sharding
import numpy as np

from algoperf import spec


def ahead(
  batches: Iterable[spec.Batch], params: spec.ParameterContainer
) -> Iterator[spec.Batch]:
  """The batches on the devices, each sent while the one before is worked on.

  Args:
    batches: numpy arrays with a leading dimension of examples; where there are
      several processes each has its own rows, process p of n the p-th n-th,
      and those of all can be divided over the devices.
    params: arrays on all devices of a mesh, over which examples are divided; or
      on one device.
  """
  leaves = jax.tree.leaves(params)
  sharding = getattr(leaves[0], 'sharding', None) if leaves else None
  previous = None
  for batch in batches:
    placed = {key: _place(rows, sharding) for key, rows in batch.items()}
    if previous is not None:
      yield previous
    previous = placed
  if previous is not None:
    yield previous


def whole(tree: Any) -> Any:
  """Arrays that are divided over devices, as numpy arrays in all processes."""
  if jax.process_count() == 1:
    return jax.device_get(tree)
  return multihost_utils.process_allgather(tree, tiled=True)


def _place(rows: np.ndarray, sharding: Sharding | None) -> Any:
  if not isinstance(sharding, NamedSharding):
    return jax.device_put(rows)
  divided = PartitionSpec(sharding.mesh.axis_names)
  return jax.make_array_from_process_local_data(
    NamedSharding(sharding.mesh, divided), rows
  )
