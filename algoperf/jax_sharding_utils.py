"""Where arrays live, by the names that AlgoPerf's submissions know.

All devices are along one axis; see `sharding`. A mesh may be passed to the two
that make shardings, as some submissions do, if it is of the same devices.
"""

from typing import Any

import jax

from algoperf import sharding


def get_mesh() -> jax.sharding.Mesh:
  """All devices along one axis."""
  return sharding.mesh()


def get_replicate_sharding(
  mesh: jax.sharding.Mesh | None = None,
) -> jax.sharding.NamedSharding:
  """A full copy on every device: of parameters and of what belongs to them."""
  _check(mesh)
  return sharding.replicated()


def get_batch_dim_sharding(
  mesh: jax.sharding.Mesh | None = None,
) -> jax.sharding.NamedSharding:
  """Axis 0 divided over the devices: of batches."""
  _check(mesh)
  return sharding.batch_sharded()


def replicate(tree: Any) -> Any:
  """Puts a copy of every array on every device."""
  return jax.device_put(tree, sharding.replicated())


def shard_along_batch_dim(tree: Any) -> Any:
  """Divides axis 0 of every array over the devices."""
  return jax.device_put(tree, sharding.batch_sharded())


def _check(mesh: jax.sharding.Mesh | None) -> None:
  ours = sharding.mesh()
  if mesh is not None and [*mesh.devices.flat] != [*ours.devices.flat]:
    raise ValueError(
      f'{mesh} has other devices than the mesh of the harness, {ours}, where '
      'parameters and batches are.'
    )
