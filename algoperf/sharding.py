"""Where parameters and batches live: one mesh axis over all devices."""

import functools
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np

from algoperf import spec


@functools.cache
def mesh() -> jax.sharding.Mesh:
  """All devices along one axis, 'batch'."""
  return jax.sharding.Mesh(np.array(jax.devices()), ('batch',))


@functools.cache
def replicated() -> NamedSharding:
  """A full copy on every device."""
  return NamedSharding(mesh(), PartitionSpec())


@functools.cache
def batch_sharded() -> NamedSharding:
  """Axis 0 divided over the devices."""
  return NamedSharding(mesh(), PartitionSpec('batch'))


def replicate(tree: Any) -> Any:
  """Puts a copy of every array on every device."""
  if jax.device_count() == 1:
    return tree
  return jax.device_put(tree, replicated())


def place_batch(batch: spec.Batch) -> spec.Batch:
  """Puts a batch of numpy arrays on the devices, divided along axis 0."""
  if jax.device_count() == 1:
    return {key: jax.device_put(value) for key, value in batch.items()}
  return jax.device_put(batch, batch_sharded())


def check_batch_size(batch_size: int, what: str) -> None:
  """Refuses a batch that cannot be divided over the devices."""
  devices = jax.device_count()
  if batch_size < 1 or batch_size % devices:
    raise spec.UsageError(
      f'{what} {batch_size} is not a positive multiple of the {devices} '
      f'devices; choose one, or make fewer devices visible.'
    )
