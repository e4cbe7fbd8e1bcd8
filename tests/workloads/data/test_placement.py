"""Evaluation batches on one device, and divided over several."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

from workloads.data import placement

BATCHES = [{'x': np.full((8, 3), n, np.float32)} for n in range(4)]


def test_all_batches_come_in_order():
  for params in ({'w': jnp.ones(2)}, {}):
    found = list(placement.ahead(iter(BATCHES), params))
    assert [int(batch['x'][0, 0]) for batch in found] == [0, 1, 2, 3]
    assert all(isinstance(batch['x'], jax.Array) for batch in found)
  assert not list(placement.ahead([], {}))


def test_the_next_batch_is_sent_before_one_is_given():
  taken = []
  source = (taken.append(n) or batch for n, batch in enumerate(BATCHES))
  placed = placement.ahead(source, {})
  next(placed)
  assert taken == [0, 1]


CHILD = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from workloads.data import placement
mesh = Mesh(np.array(jax.devices()), ('batch',))
params = jax.device_put(np.ones(3), NamedSharding(mesh, PartitionSpec()))
x = np.arange(48, dtype=np.float32).reshape(16, 3)
placed, = placement.ahead([{'x': x}], {'w': params})
shards = placed['x'].addressable_shards
assert len(shards) == 8 and {len(s.data) for s in shards} == {2}
np.testing.assert_array_equal(placement.whole(placed['x']), x)
print('placed')
"""


def test_rows_are_divided_over_the_devices():
  flags = '--xla_force_host_platform_device_count=8'
  child = subprocess.run(
    [sys.executable, '-c', CHILD],
    env={**os.environ, 'XLA_FLAGS': flags, 'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert child.stdout == 'placed\n', child.stderr
