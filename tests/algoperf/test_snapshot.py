"""Trees of any shape, there and back, bit for bit."""

import collections
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

from algoperf import snapshot


class Pair(NamedTuple):
  left: Any
  right: Any


@flax.struct.dataclass
class Node:
  """A node of a submission's own, with a field that is no leaf."""

  value: Any
  name: str = flax.struct.field(pytree_node=False, default='n')


def again(tree, fresh=None):
  """The tree after a file's JSON and bytes."""
  fresh = snapshot.Fresh.of(tree if fresh is None else fresh)
  description, arrays = snapshot.freeze(tree, fresh)
  description = json.loads(json.dumps(description))
  copies = [
    np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape).copy() for a in arrays
  ]
  return snapshot.thaw(description, iter(copies), fresh)


def assert_same(found, expected):
  assert jax.tree.structure(found) == jax.tree.structure(expected)
  for one, other in zip(
    jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
  ):
    assert type(one) is type(other)
    if isinstance(other, jax.Array):
      assert one.sharding == other.sharding
      assert one.committed == other.committed
      assert getattr(one, 'weak_type', 0) == getattr(other, 'weak_type', 0)
    if hasattr(other, 'dtype'):
      assert one.dtype == other.dtype
      if jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = map(jax.random.key_data, (one, other))
      assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
      assert np.shape(one) == np.shape(other)
    else:
      assert one == other or (one != one and other != other)


@pytest.mark.parametrize(
  'leaf',
  [
    jnp.arange(6.0).reshape(2, 3),
    jnp.array([jnp.nan, -0.0, jnp.inf]),
    jnp.zeros((0, 3), jnp.int8),
    jnp.ones((), bool),
    jnp.full(3, 1 / 3, jnp.bfloat16),
    jnp.full(3, 0.3, jnp.float8_e4m3fn),
    jnp.array(1 + 2j),
    jnp.asarray(0.1),  # Of a weak type, as is the next.
    jnp.broadcast_to(jnp.asarray(3), (2, 2)),
    jax.device_put(jnp.arange(3), jax.devices()[0]),  # Committed.
    jax.random.key(7),
    jax.random.split(jax.random.key(7, impl='rbg'), 3),
    jax.random.PRNGKey(7),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array(['a', 'bc']),
    np.array([{}], object),
    np.array([(1, 2.0)], [('a', 'i4'), ('b', 'f8')]),
    np.float32(0.1),
    np.datetime64('2026-01-02', 's'),
    ml_dtypes.bfloat16(0.1),
    True,
    2**100,
    0.1,
    float('nan'),
    float('-inf'),
    1j,
    'text',
    b'bytes',
    frozenset({1}),
    np.random.Philox,
  ],
  ids=repr,
)
def test_a_leaf_comes_back_as_it_was(leaf):
  if isinstance(leaf, np.ndarray) and leaf.dtype.hasobject:
    assert again([leaf])[0].tolist() == leaf.tolist()
  else:
    assert_same(again({'a': leaf}), {'a': leaf})


@pytest.mark.parametrize(
  'tree',
  [
    None,
    (),
    {},
    [None, (), {}],
    Pair({'b': 1, 'a': [2]}, None),
    Node(Pair(jnp.ones(2), 3), 'static'),
    collections.OrderedDict(b=jnp.ones(1), a=2),
    optax.chain(
      optax.adam(0.1), optax.masked(optax.sgd(0.1), {'a': True, 'b': False})
    ).init({'a': jnp.ones(3), 'b': jnp.ones(2)}),
    optax.MultiSteps(optax.lbfgs(), 2).init(jnp.ones(3)),
  ],
  ids=lambda tree: type(tree).__name__,
)
def test_a_structure_comes_back_as_it_was(tree):
  assert_same(again(tree), tree)
  assert_same(again(tree, fresh='of another structure'), tree)


def test_functions_are_those_of_the_fresh_tree_wherever_they_are_now():
  def fresh_tree():
    return {'step': jax.jit(lambda x: x + 1), 'tx': optax.sgd(0.1), 'x': 0}

  before, after = fresh_tree(), fresh_tree()
  state = {'moved': [before['step'], before['tx'].update], 'x': 5}
  description, arrays = snapshot.freeze(state, snapshot.Fresh.of(before))
  found = snapshot.thaw(description, iter(arrays), snapshot.Fresh.of(after))
  assert found == {'moved': [after['step'], after['tx'].update], 'x': 5}
  assert found['moved'][0] is not before['step']


def test_a_class_without_a_name_is_found_in_the_fresh_tree():
  local = collections.namedtuple('Local', 'a')
  assert_same(again(local(jnp.ones(2))), local(jnp.ones(2)))
  with pytest.raises(snapshot.CannotSave, match='structure'):
    again(local(jnp.ones(2)), fresh=[1])


def test_what_can_neither_be_stored_nor_made_again_is_named():
  with pytest.raises(snapshot.CannotSave, match=r"\['f'\].*function"):
    again({'f': lambda: None}, fresh={'f': lambda: None})


def test_copies_do_not_change_with_what_they_were_taken_of():
  array = np.ones(3)
  donated = jnp.ones(3)
  tree = [array, donated]
  description, arrays = snapshot.freeze(tree, snapshot.Fresh.of(tree))
  array[:] = 2
  jax.jit(lambda x: x + 1, donate_argnums=0)(donated)
  del description
  assert [a.tolist() for a in arrays] == [[1, 1, 1]] * 2


def test_the_same_array_twice_can_be_donated_afterwards():
  array = jnp.ones(3)
  one, other = again([array, array])
  assert one.unsafe_buffer_pointer() != other.unsafe_buffer_pointer()


_OVER_DEVICES = """
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import numpy as np
from tests.algoperf import test_snapshot

mesh = Mesh(np.array(jax.devices()).reshape(2, 2), ('a', 'b'))
array = jnp.arange(64.0).reshape(8, 8)
specs = P(), P('a'), P('a', 'b'), P(('a', 'b'), None), P(None, 'b')
tree = [jax.device_put(array, NamedSharding(mesh, spec)) for spec in specs]
tree.append(jax.device_put(array, jax.devices()[2]))
tree.append(jax.device_put(jnp.asarray(3.0), NamedSharding(mesh, P())))
keys = jax.random.split(jax.random.key(0), 4)
tree.append(jax.device_put(keys, NamedSharding(mesh, P('a'))))
tree.append(jax.pmap(lambda x: x + 1)(jnp.ones((4, 3))))
test_snapshot.assert_same(test_snapshot.again(tree), tree)
"""


def test_arrays_over_devices_come_back_to_where_they_were():
  root = pathlib.Path(__file__).parents[2]
  flags = '--xla_force_host_platform_device_count=4'
  subprocess.run(
    [sys.executable, '-c', _OVER_DEVICES],
    cwd=root,
    env=os.environ | {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': flags},
    check=True,
  )
