"""What must stay as it was: references in modules, flags and environment."""

from collections.abc import Iterator, Mapping
import dataclasses
import inspect
import operator
import os
import sys
import types
from typing import Any

import jax

from algoperf import blame

# Modules whose functions decide what is measured: of these packages all; Grain
# puts functions of its own in their places as it goes.
_PACKAGES = ('numpy', 'jax', 'jaxlib', 'flax', 'optax')
_OTHERS = """
  builtins time os io json csv math pathlib functools operator threading gc sys
  signal atexit copy _thread _signal posix grain sacrebleu sentencepiece
"""
# The clock, the fence and the loop: compared after every step.
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

_DESCRIPTORS = (property, staticmethod, classmethod)

_Place = tuple[Mapping[str, Any], str, Any, str]  # Where, name, value, label.


class References:
  """What names stood for at one moment, to be compared with later ones."""

  def __init__(self, origins: blame.Origins) -> None:
    """Takes note of everything.

    Args:
      origins: tells which modules are the harness's.
    """
    others = set(_OTHERS.split())
    modules = list(sys.modules.items())
    self._ours = {
      name
      for name, module in modules
      if name == '__main__' or _is_ours(module, origins)
    }
    self._modules = {
      name: module
      for name, module in modules
      if name in self._ours
      or name in others
      or name.partition('.')[0] in _PACKAGES
    }
    places = [
      place
      for name, module in self._modules.items()
      for place in _places(name, module, name in self._ours)
    ]
    self._all = _Comparison(places)
    self._critical = _Comparison([p for p in places if _is_critical(p)])
    self._tables = [
      (label, table, dict(table))
      for _, _, table, label in places
      if type(table) is dict
    ]
    self._contents = [
      (label, value, _content(value))
      for name in self._ours
      for _, _, value, label in _places(name, self._modules[name], True)
    ]
    self._keys = {
      label: (names, set(names)) for label, names in self._namespaces()
    }
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

  def _added(self) -> list[str]:
    found = []
    for label, (namespace, before) in self._keys.items():
      if len(namespace) > len(before):
        found += [
          f'{label}.{key}'
          for key in namespace.keys() - before
          if key not in _ADDED
          and not isinstance(namespace[key], types.ModuleType)
        ]
    return found

  def _replaced_modules(self) -> list[str]:
    return [
      f'module {name}'
      for name, module in self._modules.items()
      if sys.modules.get(name) is not module
    ]


class _Comparison:
  """Compares many references, by identity, at the speed of C."""

  def __init__(self, places: list[_Place]):
    self._namespaces = [place[0] for place in places]
    self._names = [place[1] for place in places]
    self._values = [place[2] for place in places]
    self._labels = [place[3] for place in places]
    # Of its own, as those of the module could be replaced.
    self._get, self._is, self._map = operator.getitem, operator.is_, map
    self._every = all

  def changed(self) -> list[str]:
    try:
      if self._every(
        self._map(
          self._is,
          self._map(self._get, self._namespaces, self._names),
          self._values,
        )
      ):
        return []
    except KeyError:
      pass  # One was deleted.
    nothing = object()
    return [
      label
      for namespace, name, value, label in zip(
        self._namespaces, self._names, self._values, self._labels, strict=True
      )
      if namespace.get(name, nothing) is not value
    ]


def _places(
  module_name: str, module: types.ModuleType, ours: bool
) -> Iterator[_Place]:
  """The references of a module and, if they are its own, of its classes."""
  for name, value in list(vars(module).items()):
    if name[:2] == '__' and name != '__import__':
      continue
    if not callable(value) and (value is None or not ours):
      continue
    yield vars(module), name, value, f'{module_name}.{name}'
    if inspect.isclass(value) and (value.__module__ == module_name or not ours):
      for key, member in list(vars(value).items()):
        if callable(member) or isinstance(member, _DESCRIPTORS):
          yield vars(value), key, member, f'{module_name}.{name}.{key}'


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


def _is_critical(place: _Place) -> bool:
  label = place[3]
  module, _, name = label.rpartition('.')
  return label.startswith(_CRITICAL) or name in _CRITICAL_NAMES.get(module, ())


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
