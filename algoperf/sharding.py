"""Where parameters and batches live: one mesh axis over all devices."""

from collections.abc import Callable, Mapping
import functools
from typing import Any

import jax
from jax.sharding import (
  Mesh,
  NamedSharding,
  PartitionSpec,
  Sharding,
  SingleDeviceSharding,
)
import numpy as np

from algoperf import hosts, spec


@functools.cache
def mesh() -> jax.sharding.Mesh:
  """All devices along one axis, 'batch', those of a process side by side."""
  devices = sorted(jax.devices(), key=lambda d: (d.process_index, d.id))
  return jax.sharding.Mesh(np.array(devices), ('batch',))


@functools.cache
def replicated() -> NamedSharding:
  """A full copy on every device."""
  return NamedSharding(mesh(), PartitionSpec())


@functools.cache
def batch_sharded() -> NamedSharding:
  """Axis 0 divided over the devices."""
  return NamedSharding(mesh(), PartitionSpec('batch'))


def replicate(tree: Any) -> Any:
  """Puts a copy of every array on every device; of the first process's."""
  if jax.process_count() > 1:
    tree = hosts.same_everywhere(tree)
    return jax.tree.map(
      lambda leaf: jax.make_array_from_process_local_data(
        replicated(), leaf, np.shape(leaf)
      ),
      tree,
    )
  return jax.device_put(tree, replicated())


def settle(optimizer_state: spec.OptimizerState) -> spec.OptimizerState:
  """Puts on every device what an optimizer state holds on none in particular.

  The first update would put it there, and have the second one compiled anew.
  """

  def place(state: Any) -> Any:
    leaves, structure = jax.tree.flatten(state)
    loose = [
      i
      for i, leaf in enumerate(leaves)
      if isinstance(leaf, jax.Array) and not leaf.committed
    ]
    for i, leaf in zip(
      loose, replicate([leaves[i] for i in loose]), strict=True
    ):
      leaves[i] = leaf
    return jax.tree.unflatten(structure, leaves)

  return of_pair(place, optimizer_state)


def of_pair(
  function: Callable[[Any], Any], optimizer_state: spec.OptimizerState
) -> spec.OptimizerState:
  """The pair (state, update function), a function applied to the state.

  What is no such pair is returned as it is.
  """
  if type(optimizer_state) is not tuple or len(optimizer_state) != 2:
    return optimizer_state
  state, update = optimizer_state
  return function(state), update


def place_batch(batch: spec.Batch, batch_size: int) -> spec.Batch:
  """Puts a batch of numpy arrays on the devices, divided along axis 0.

  Args:
    batch: the whole batch; with several processes also this process's rows of
      it alone, process p of n having the p-th n-th.
    batch_size: rows of the whole batch.
  """
  if jax.device_count() == 1:
    return {key: jax.device_put(value) for key, value in batch.items()}
  if jax.process_count() == 1:
    return jax.device_put(batch, batch_sharded())
  return {
    key: jax.make_array_from_process_local_data(
      batch_sharded(), value, (batch_size, *value.shape[1:])
    )
    for key, value in batch.items()
  }


def check_batch_size(batch_size: int, what: str) -> None:
  """Refuses a batch that cannot be divided over the devices."""
  devices = jax.device_count()
  if batch_size < 1 or batch_size % devices:
    raise spec.UsageError(
      f'{what} {batch_size} is not a positive multiple of the {devices} '
      f'devices; choose one, or make fewer devices visible.'
    )


def describe(sharding: Sharding) -> dict[str, Any]:
  """Where an array lives, as JSON that `described` makes it of again.

  Raises:
    TypeError: neither one device nor a mesh with names.
  """
  if isinstance(sharding, SingleDeviceSharding):
    (device,) = sharding.device_set
    return {'device': device.id, 'memory': sharding.memory_kind}
  if not isinstance(sharding, NamedSharding):
    raise TypeError(f'a sharding of type {type(sharding).__name__}')
  mesh = sharding.mesh
  return {
    'devices': [device.id for device in mesh.devices.flat],
    'mesh': list(mesh.devices.shape),
    'axes': list(mesh.axis_names),
    'types': [kind.name for kind in mesh.axis_types],
    'spec': list(sharding.spec),
    'memory': sharding.memory_kind,
  }


def described(description: Mapping[str, Any]) -> Sharding:
  """The sharding that was described, on this machine's devices."""
  devices = {device.id: device for device in jax.devices()}
  memory = description['memory']
  if 'device' in description:
    device = devices[description['device']]
    return SingleDeviceSharding(device, memory_kind=memory)
  where = np.array([devices[i] for i in description['devices']])
  spec = [
    tuple(axes) if isinstance(axes, list) else axes
    for axes in description['spec']
  ]
  return NamedSharding(
    Mesh(
      where.reshape(description['mesh']),
      tuple(description['axes']),
      axis_types=tuple(
        jax.sharding.AxisType[name] for name in description['types']
      ),
    ),
    PartitionSpec(*spec),
    memory_kind=memory,
  )
