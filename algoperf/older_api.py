"""Names that submissions for AlgoPerf 0.5 and 0.6 use and that have changed.

Those submissions were written for jax 0.4 to 0.7 and optax 0.1 to 0.2.2. Where
a name has an exact successor, that stands in for it, in the process that runs
the submission and only if the submission uses it; what stood in is reported.
Nothing stands in for what has no exact successor.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import functools
import importlib
import inspect
import sys
import types
from typing import Any
import warnings

from algoperf import source_tree
from algoperf.successors import SUCCESSORS

_LIBRARIES = ('jax', 'flax', 'optax', 'chex', 'numpy')
_OURS = source_tree.HARNESS_NAMES
# Who uses one of these knows what jax.make_mesh makes.
_EXPLICIT = (
  'jax.make_mesh(axis_types=)',
  'jax.reshard',
  'jax.set_mesh',
  'jax.sharding.AxisType',
  'jax.sharding.auto_axes',
  'jax.sharding.explicit_axes',
  'jax.sharding.reshard',
  'jax.typeof',
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Note:
  """A name that a submission uses and that is not what it was."""

  use: source_tree.Use
  successor: str | None  # What stands in for it, if anything does.
  change: str = 'is gone'

  def __str__(self) -> str:
    outcome = 'nothing stands in for it'
    if self.successor is not None:
      outcome = f'{self.successor} stands in'
    return f'{self.use}: {self.use.name} {self.change}: {outcome}'


def adapt(tree: source_tree.SourceTree) -> list[Note]:
  """Puts successors in the place of what a submission uses and is gone.

  Imports libraries that the submission imports, but nothing of its own.
  """
  notes, gone = _rename_harness(tree), []
  for name in sorted(tree.names, key=len):  # A module before what is in it.
    if name.startswith(tuple(f'{outer}.' for outer in gone)):
      continue
    if any(known.startswith(f'{name}.') for known in SUCCESSORS):
      continue  # Of a module that is gone, some of the names have successors.
    if _is_gone(name):
      gone.append(name)
      successor = SUCCESSORS.get(name)
      if successor is not None:
        _put(name.partition('(')[0], resolve(successor))
      notes.append(Note(use=tree.names[name], successor=successor))
  return notes + _older_meshes(tree)


def _older_meshes(tree: source_tree.SourceTree) -> list[Note]:
  """Has jax.make_mesh make Auto axes, as it did until JAX 0.9, if it is used.

  Not where source shows that it knows of the Explicit ones of today.
  """
  use = tree.names.get('jax.make_mesh')
  if use is None or not tree.names.keys().isdisjoint(_EXPLICIT):
    return []
  import jax

  make_mesh = jax.make_mesh

  @functools.wraps(make_mesh)
  def older(
    axis_shapes: Sequence[int], axis_names: Sequence[str], **options: Any
  ) -> jax.sharding.Mesh:
    types = (jax.sharding.AxisType.Auto,) * len(axis_names)
    return make_mesh(axis_shapes, axis_names, **{'axis_types': types} | options)

  jax.make_mesh = older
  change = 'makes Explicit axes by now'
  return [Note(use=use, successor='one of Auto axes', change=change)]


def _rename_harness(tree: source_tree.SourceTree) -> list[Note]:
  """Makes the harness importable by its older name, if that is used."""
  notes = []
  for name in sorted(tree.names, key=len):
    ours = source_tree.harness_module(name)
    if ours is None or name.partition('.')[0] == 'algoperf':
      continue
    with contextlib.suppress(ImportError):  # What a module holds is none.
      for outer in (*_packages(name), name):
        module = importlib.import_module(source_tree.harness_module(outer))
        sys.modules[outer] = module
      notes.append(Note(use=tree.names[name], successor=ours))
  return notes[:1]


def _packages(name: str) -> Iterator[str]:
  """Those that a module is in, the outermost first."""
  for index, letter in enumerate(name):
    if letter == '.':
      yield name[:index]


def _is_gone(name: str) -> bool:
  """Whether a name of a library, or a keyword, is unknown to the installed."""
  called, _, keyword = name.partition('(')
  if name.partition('.')[0] not in (*_LIBRARIES, *_OURS):
    return False
  if keyword:
    if name not in SUCCESSORS:
      return False
    return keyword[:-2] not in inspect.signature(resolve(called)).parameters
  with warnings.catch_warnings(action='ignore'):
    try:
      holder = resolve(name.rpartition('.')[0] or name)
      # What is no module may be a variable of the same name.
      if name in SUCCESSORS or isinstance(holder, types.ModuleType):
        resolve(name)
    except ImportError:
      return True
    except Exception:  # Something is there that does not like to be looked at.
      return False
  return False


def resolve(name: str) -> Any:
  """What a dotted name stands for.

  Raises:
    ImportError: there is no such thing.
  """
  top, *rest = name.split('.')
  found, path = importlib.import_module(top), top
  for part in rest:
    path = f'{path}.{part}'
    try:
      found = getattr(found, part)
    except AttributeError:
      found = importlib.import_module(path)
  return found


def _put(name: str, value: Any) -> None:
  """Makes a value available by a dotted name, also to import statements."""
  outer, _, last = name.rpartition('.')
  try:
    module = importlib.import_module(outer)
  except ImportError:
    module = types.ModuleType(outer)
    _put(outer, module)
  if not isinstance(value, types.ModuleType):
    setattr(module, last, value)
    return
  sys.modules[name] = value
  if not hasattr(module, last):  # jax.config is a variable as well.
    setattr(module, last, value)
