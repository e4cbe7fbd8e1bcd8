"""What must stay as it was: references in modules, flags and environment."""

import builtins
from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import inspect
import operator
import os
import sys
import types
from typing import Any

import jax

from algoperf import blame, places

# Of these packages constants and tables count, beside functions and classes.
_PACKAGES = ('numpy', 'jax', 'jaxlib', 'flax', 'optax', 'sacrebleu')
# Of these only functions and classes; of Grain its first module: the others put
# functions of their own in their places as they go.
_OTHERS = {
  *sys.stdlib_module_names,
  *('array_record', 'etils', 'ml_dtypes', 'PIL', 'sentencepiece'),
}
_WHOLE = (*_PACKAGES, 'grain', 'algoperf', 'workloads')
_BUILTINS = frozenset(vars(builtins))
# The clock, the fence and the loop: compared between evaluations as well.
_CRITICAL = (
  'algoperf.trial',
  'algoperf.clock',
  'algoperf.dispatch',
  'algoperf.evaluation',
  'algoperf.integrity',
  'algoperf.watched',
)
_CRITICAL_NAMES = {
  'time': ('time', 'monotonic', 'perf_counter'),
  'jax': ('block_until_ready', 'live_arrays', 'effects_barrier', 'device_put'),
}
_FLAGS = ('XLA_', 'JAX_', 'TF_', 'CUDA_', 'NVIDIA_', 'NCCL_', 'LIBTPU_', 'LD_')
# Names that Python itself adds to modules and classes as it goes.
_ADDED = (
  '__annotations__',
  '__warningregistry__',
  '__abstractmethods__',
  '__slotnames__',  # By copyreg, to a class of which an object is pickled.
)


class References:
  """What names stood for at one moment, to be compared with later ones."""

  def __init__(self, origins: blame.Origins) -> None:
    """Takes note of everything.

    Args:
      origins: tells which modules are the harness's.
    """
    modules = list(sys.modules.items())
    self._origins = origins
    self._loaded = set(sys.modules)
    self._ours = {
      name
      for name, module in modules
      if name == '__main__' or _is_ours(module, origins)
    }
    self._modules = {
      name: module
      for name, module in modules
      if name in self._ours
      or name == 'grain'
      or name.startswith('tensorflow_datasets.core')
      or _package(name) in _PACKAGES
      or _package(name) in _OTHERS
    }
    library = places.Library(_PACKAGES)
    found = list(self._places(library))
    self._all = _Comparison(found)
    self._critical = _Comparison(filter(_is_critical, found))
    self._tables = [
      (place.label, place.value, dict(place.value))
      for place in found
      if type(place.value) is dict
    ]
    self._contents = [
      (place.label, place.value, _content(place.value))
      for name in self._ours
      for place in places.own(name, self._modules[name])
    ]
    self._cells = [
      (place.label, cell, _cell(cell))
      for place in found
      if isinstance(place.value, types.FunctionType)
      for cell in place.value.__closure__ or ()
      if callable(_cell(cell))
    ]
    self._keys = [
      (label, names, frozenset(names)) for label, names in self._namespaces()
    ]
    self._registered = [
      (label, table, frozenset(table)) for label, table in library.tables
    ]
    self._inherited = [
      (label, owner, frozenset(vars(owner))) for label, owner in library.owners
    ]
    self._has_met = library.has_met
    self._free = [
      (name, vars(module), _BUILTINS - vars(module).keys())
      for name, module in self._modules.items()
    ]
    self._config = _config()
    self._flags = _flags()

  def critical(self) -> list[str]:
    """What of the clock, the fence and the loop is not as it was."""
    return self._critical.changed()

  def changed(self) -> list[str]:
    """Everything that is not as it was."""
    return [
      *self._replaced_modules(),
      *self._all.changed(),
      *self._added(),
      *[label for label, now, before in self._tables if _differ(now, before)],
      *[
        label
        for label, value, before in self._contents
        if not _same(_content(value), before)
      ],
      *[label for label, cell, was in self._cells if _cell(cell) is not was],
      *_differences('jax.config.', self._config, _config()),
      *_differences('environment variable ', self._flags, _flags()),
    ]

  def _namespaces(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What of ours could be hidden by another name: modules and classes."""
    for name in self._ours:
      namespace = vars(self._modules[name])
      yield name, namespace
      for key, value in list(namespace.items()):
        if inspect.isclass(value) and value.__module__ == name:
          yield f'{name}.{key}', vars(value)

  def _places(self, library: places.Library) -> Iterator[places.Place]:
    for name, module in self._modules.items():
      if name in self._ours:
        yield from places.own(name, module)
      elif _package(name) in _PACKAGES:
        yield from library.places(name, module)
      else:
        yield from places.outer(name, module)

  def _added(self) -> Iterator[str]:
    """New names, in what is ours; elsewhere those that hide another."""
    for label, namespace, before in self._keys:
      for key in _new(namespace, before):
        if not isinstance(namespace.get(key), types.ModuleType):
          yield f'{label}.{key}'
    for label, namespace, free in self._free:
      if not free.isdisjoint(namespace):
        yield from (f'{label}.{key}' for key in free & namespace.keys())
    for label, table, before in self._registered:
      if any(map(self._has_met, _new(table, before))):
        yield label
    for label, owner, before in self._inherited:
      for key in _new(vars(owner), before):
        if callable(vars(owner).get(key)) and _is_inherited(owner, key):
          yield f'{label}.{key}'

  def _replaced_modules(self) -> list[str]:
    return [
      f'module {name}'
      for name, module in self._modules.items()
      if sys.modules.get(name) is not module
    ] + [
      f'module {name}'
      for name in sys.modules.keys() - self._loaded
      if _package(name) in _WHOLE and not self._is_itself(name)
    ]

  def _is_itself(self, name: str) -> bool:
    """Whether a module that was loaded meanwhile is what its name says."""
    module = sys.modules.get(name)
    path = getattr(module, '__file__', None)
    return getattr(module, '__name__', None) == name and (
      path is None or self._origins.of_code(path) in blame.OTHERS
    )


def _new(namespace: Mapping[Any, Any], before: frozenset[Any]) -> list[Any]:
  """Keys that a namespace has got."""
  now = list(namespace)  # At once: other threads may add to it.
  if before.issuperset(now):
    return []
  return [key for key in now if key not in before and key not in _ADDED]


def _is_inherited(owner: Any, name: str) -> bool:
  """Whether an attribute of an object or a class hides one of a class."""
  classes = owner.__mro__[1:] if inspect.isclass(owner) else type(owner).__mro__
  return any(name in vars(kind) for kind in classes)


class _Comparison:
  """Compares many references, by identity, at the speed of C."""

  def __init__(self, found: Iterable[places.Place]):
    columns = zip(*found, strict=True)
    self._namespaces, self._keys, self._values, self._labels = columns
    # Of its own, as those of the module could be replaced.
    self._get, self._is, self._map = operator.getitem, operator.is_, map
    self._every = all

  def changed(self) -> list[str]:
    try:
      if self._every(
        self._map(
          self._is,
          self._map(self._get, self._namespaces, self._keys),
          self._values,
        )
      ):
        return []
    except KeyError:
      pass  # One was deleted.
    nothing = object()
    return [
      label
      for namespace, key, value, label in zip(
        self._namespaces, self._keys, self._values, self._labels, strict=True
      )
      if namespace.get(key, nothing) is not value
    ]


def _package(module_name: str) -> str:
  return module_name.partition('.')[0]


def _is_ours(module: types.ModuleType, origins: blame.Origins) -> bool:
  path = getattr(module, '__file__', None)
  return bool(path) and origins.of_code(path) is blame.HARNESS


def _content(value: Any) -> tuple[Any, ...]:
  """What can be changed in a thing without giving its name another value."""
  if isinstance(value, property):
    value = value.fget
  value = getattr(value, '__func__', value)
  if isinstance(value, types.FunctionType):
    cells = [_cell(cell) for cell in value.__closure__ or ()]
    keyword = (value.__kwdefaults__ or {}).values()
    return (value.__code__, *(value.__defaults__ or ()), *keyword, *cells)
  if isinstance(value, list | set | frozenset):
    return tuple(value)
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    return tuple(vars(value).values()) if hasattr(value, '__dict__') else ()
  return ()


def _cell(cell: types.CellType) -> Any:
  try:
    return cell.cell_contents
  except ValueError:  # Empty as yet.
    return None


def _same(now: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
  return len(now) == len(before) and all(map(operator.is_, now, before))


def _differ(now: dict[Any, Any], before: dict[Any, Any]) -> bool:
  """Whether two tables differ in a key, or in what it stands for."""
  return now.keys() != before.keys() or any(
    now[key] is not value for key, value in before.items()
  )


def _is_critical(place: places.Place) -> bool:
  module, _, name = place.label.rpartition('.')
  return place.label.startswith(_CRITICAL) or name in _CRITICAL_NAMES.get(
    module, ()
  )


def _config() -> dict[str, Any]:
  return dict(jax.config.values)


def _flags() -> dict[str, str]:
  return {k: v for k, v in os.environ.items() if k.startswith(_FLAGS)}


def _differences(
  prefix: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[str]:
  return [
    f'{prefix}{key}'
    for key in sorted(before.keys() | after.keys())
    if before.get(key) != after.get(key)
  ]
