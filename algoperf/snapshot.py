"""A pytree as bytes and a JSON description, and back, bit for bit.

Any shape of tree is kept: dicts, tuples, namedtuples, registered nodes of the
submission's own. A leaf is an array, a number, a string, any other object that
can be pickled, or a function. Functions are not stored: the same code makes
them again (`init_optimizer_state` does), and they are found by where they were.

The structure is stored only where it is not that of the tree as it was made
afresh, so that a tree whose classes have no name that can be imported can be
kept as well.

Not Orbax, which writes to the same end: for the state of a model of the small
benchmark (120 arrays, 1 MB) it takes 250 to 350 ms of CPU a save and 10 to 40
threads that stay, where this takes 8 ms and none, beside steps that are being
timed; its trees lose functions, Python's number types and weak types; and
nothing but the arrays is covered by a checksum.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
import dataclasses
import pickle
from typing import Any

import jax
import numpy as np

from algoperf import sharding

Description = dict[str, Any]
_NUMBERS = (bool, int, float, str)  # As they are in JSON; exact types.


class CannotSave(Exception):
  """A leaf that can be neither stored nor made again."""


@dataclasses.dataclass(frozen=True)
class Fresh:
  """A tree as it is made anew by the same code, to compare with.

  Attributes:
    structure: its own.
    leaves: by path.
  """

  structure: Any
  leaves: dict[str, Any]

  @classmethod
  def of(cls, tree: Any) -> 'Fresh':
    """Keeps what cannot be stored, and none of the arrays."""
    paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    return cls(
      structure,
      {
        jax.tree_util.keystr(path): leaf
        for path, leaf in paths
        if not isinstance(leaf, jax.Array | np.ndarray)
      },
    )


def freeze(tree: Any, fresh: Fresh) -> tuple[Description, list[np.ndarray]]:
  """A tree's description and copies of its arrays, on the host.

  Arrays over several processes: of those that are not whole in each, this
  process's own parts.

  Raises:
    CannotSave: a function that is not the fresh tree's, an object that cannot
      be pickled, or a structure that cannot; says where.
  """
  paths, structure = jax.tree_util.tree_flatten_with_path(tree)
  arrays: list[np.ndarray] = []
  places = {id(leaf): path for path, leaf in fresh.leaves.items()}
  leaves = []
  for path, leaf in paths:
    try:
      leaves.append(_freeze_leaf(leaf, places, arrays))
    except MemoryError:
      raise
    except Exception as error:
      where = jax.tree_util.keystr(path) or 'the tree itself'
      raise CannotSave(
        f'{where} is of type {type(leaf).__name__}, which can be neither '
        'stored nor found in what init_optimizer_state returns.'
      ) from error
  kept = None
  if structure != fresh.structure:
    try:
      kept = _pickled(structure)
    except Exception as error:
      raise CannotSave(
        f'the structure has changed and cannot be stored: {error}'
      ) from error
  return {'structure': kept, 'leaves': leaves}, arrays


def thaw(
  description: Description, arrays: Iterator[np.ndarray], fresh: Fresh
) -> Any:
  """The tree of a description; takes its arrays off the iterator.

  Raises:
    KeyError: the fresh tree has no function where there was one.
    ValueError: the fresh tree has another number of leaves.
  """
  leaves = [
    _thaw_leaf(leaf, arrays, fresh.leaves) for leaf in description['leaves']
  ]
  structure = fresh.structure
  if description['structure'] is not None:
    structure = _unpickled(description['structure'])
  return jax.tree.unflatten(structure, leaves)


def _freeze_leaf(
  leaf: Any, places: dict[int, str], arrays: list[np.ndarray]
) -> Description:
  if isinstance(leaf, jax.Array):
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
      data = _freeze_leaf(jax.random.key_data(leaf), places, arrays)
      return data | {'key': str(jax.random.key_impl(leaf))}
    return _freeze_jax(leaf, arrays)
  if isinstance(leaf, np.ndarray | np.generic) and _is_plain(leaf.dtype):
    arrays.append(np.array(leaf, order='C'))
    return {'kind': 'numpy', 'scalar': isinstance(leaf, np.generic)}
  if type(leaf) in _NUMBERS:
    return {'kind': 'value', 'value': leaf}
  if callable(leaf) and id(leaf) in places:
    return {'kind': 'fresh', 'path': places[id(leaf)]}
  return {'kind': 'object', 'pickle': _pickled(leaf)}


def _thaw_leaf(
  leaf: Description, arrays: Iterator[np.ndarray], fresh: dict[str, Any]
) -> Any:
  match leaf['kind']:
    case 'jax':
      array = _thaw_jax(leaf, arrays)
      if 'key' in leaf:
        return jax.random.wrap_key_data(array, impl=leaf['key'])
      return array
    case 'numpy':
      array = next(arrays)
      return array[()] if leaf['scalar'] else array
    case 'value':
      return leaf['value']
    case 'fresh':
      return fresh[leaf['path']]
    case _:
      return _unpickled(leaf['pickle'])


def _is_plain(dtype: np.dtype) -> bool:
  """Whether the bytes of an array are all there is to it."""
  try:
    return not dtype.hasobject and np.dtype(dtype.name) == dtype
  except TypeError:
    return False


def _freeze_jax(array: jax.Array, arrays: list[np.ndarray]) -> Description:
  """Through views, since an array remembers what it was converted to."""
  parts = None
  if array.is_fully_replicated:
    arrays.append(np.array(array.addressable_data(0), order='C'))
  else:
    shards = {
      _bounds(s.index, array.shape): s for s in array.addressable_shards
    }
    parts = list(shards)
    arrays += [np.array(shard.data, order='C') for shard in shards.values()]
  return {
    'kind': 'jax',
    'shape': array.shape,
    'weak': array.weak_type,
    'sharding': sharding.describe(array.sharding) if array.committed else None,
    'parts': parts,
  }


def _thaw_jax(leaf: Description, arrays: Iterator[np.ndarray]) -> jax.Array:
  shape = tuple(leaf['shape'])
  if leaf['parts'] is None:
    whole = next(arrays)

    def part(index: tuple[slice, ...]) -> np.ndarray:
      return whole[index]
  else:
    parts = {_as_tuple(bounds): next(arrays) for bounds in leaf['parts']}

    def part(index: tuple[slice, ...]) -> np.ndarray:
      return parts[_bounds(index, shape)]

  if leaf['sharding'] is None:
    return _uncommitted(part((slice(None),) * len(shape)), leaf['weak'])
  return _committed(shape, leaf, part)


def _uncommitted(value: np.ndarray, weak: bool) -> jax.Array:
  array = jax.numpy.array(value)  # Copies: nobody else holds its memory.
  return _weakened(array) if weak else array


def _weakened(array: jax.Array) -> jax.Array:
  """The same numbers, of a type that yields to others', as 1.0 does."""
  kind = {'f': 0.0, 'i': 0, 'c': 0j}[array.dtype.kind]
  weak = jax.numpy.broadcast_to(jax.numpy.asarray(kind), array.shape)
  return weak.at[...].set(array)


def _committed(
  shape: tuple[int, ...],
  leaf: Description,
  part: Callable[[tuple[slice, ...]], np.ndarray],
) -> jax.Array:
  array = jax.make_array_from_callback(
    shape,
    sharding.described(leaf['sharding']),
    lambda index: np.array(part(index)),
  )
  return _weakened(array) if leaf['weak'] else array


def _bounds(
  index: Sequence[slice], shape: Sequence[int]
) -> tuple[tuple[int, int], ...]:
  """First row and the row after the last, on every axis."""
  return tuple(
    axis.indices(size)[:2] for axis, size in zip(index, shape, strict=True)
  )


def _as_tuple(value: Any) -> Any:
  """Lists, as JSON has them, as tuples."""
  return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _pickled(thing: Any) -> str:
  return base64.b64encode(pickle.dumps(thing)).decode()


def _unpickled(text: str) -> Any:
  return pickle.loads(base64.b64decode(text))
