"""The places in modules whose values decide what is measured.

A place is a key of some mapping: a name in a module or class, an entry of a
table, an attribute of a library's object, a keyword's default. What honest code
changes as it goes (counters, caches) is left out.
"""

from collections.abc import Iterator, Mapping
import types
from typing import Any, NamedTuple

_CONSTANTS = (bool, int, float, complex, str, bytes, tuple, frozenset)
_DESCRIPTORS = (property, staticmethod, classmethod)
_DEPTH = 3  # Of tables in tables.


class Place(NamedTuple):
  """Where something is, what it is called there, and what it is."""

  namespace: Mapping[Any, Any]
  key: Any
  value: Any
  label: str


def own(module_name: str, module: types.ModuleType) -> Iterator[Place]:
  """Every name of one of our modules and of its classes."""
  for name, value in _names(module):
    if value is not None:
      yield from _named(module_name, module, name, value)


def outer(module_name: str, module: types.ModuleType) -> Iterator[Place]:
  """Functions and classes of a module whose state is its own affair."""
  for name, value in _names(module):
    if callable(value):
      yield from _named(module_name, module, name, value, foreign=True)


def _names(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
  for name, value in list(vars(module).items()):
    if name[:2] != '__' or name == '__import__':
      yield name, value


def _named(
  module_name: str,
  module: types.ModuleType,
  name: str,
  value: Any,
  foreign: bool = False,
) -> Iterator[Place]:
  label = f'{module_name}.{name}'
  yield Place(vars(module), name, value, label)
  if _is_class(value) and (foreign or value.__module__ == module_name):
    for key, member in list(vars(value).items()):
      if callable(member) or issubclass(type(member), _DESCRIPTORS):
        yield Place(vars(value), key, member, f'{label}.{key}')


def _is_class(value: Any) -> bool:
  """Whether it is one, without asking it: it may be one that is yet to load."""
  return issubclass(type(value), type)


def _is_constant(name: str, value: Any) -> bool:
  """Whether it is one, and named as one: others take notes."""
  return name.isupper() and isinstance(value, _CONSTANTS)


class Library:
  """Walks modules of libraries, into everything once.

  Beside names: constants, tables of functions and what else they register,
  functions that an object holds, and defaults of keyword arguments.

  Attributes:
    tables: dictionaries that were met, each with what it is called.
    owners: classes, and objects with attributes.
  """

  def __init__(self, packages: tuple[str, ...]):
    """Walks nothing yet.

    Args:
      packages: whose classes and objects are gone into.
    """
    self._packages = packages
    self._met: set[int] = set()
    self.tables: list[tuple[str, dict[Any, Any]]] = []
    self.owners: list[tuple[str, Any]] = []

  def has_met(self, value: Any) -> bool:
    return id(value) in self._met

  def places(
    self, module_name: str, module: types.ModuleType
  ) -> Iterator[Place]:
    yield from outer(module_name, module)
    for name, value in _names(module):
      label = f'{module_name}.{name}'
      if _is_constant(name, value):
        yield Place(vars(module), name, value, label)
      else:
        yield from self._within(value, label)

  def _within(self, value: Any, label: str, depth: int = 0) -> Iterator[Place]:
    if isinstance(value, types.FunctionType):
      inside = self._defaults
    elif isinstance(value, dict):
      inside = self._entries
    elif not self._is_theirs(value):
      return
    elif _is_class(value):
      inside = self._members
    else:
      inside = self._attributes
    if id(value) not in self._met:
      self._met.add(id(value))
      yield from inside(value, label, depth)

  def _defaults(
    self, function: types.FunctionType, label: str, depth: int
  ) -> Iterator[Place]:
    del depth
    table = function.__kwdefaults__
    for key, value in (table or {}).items():
      yield Place(table, key, value, f'{label}({key}=)')

  def _entries(
    self, table: dict[Any, Any], label: str, depth: int
  ) -> Iterator[Place]:
    if 'cache' in label.rpartition('.')[2]:
      return
    self.tables.append((label, table))
    for key, value in list(table.items()):
      lasts = callable(value) or isinstance(value, _CONSTANTS)
      if lasts or self._is_theirs(value):
        yield Place(table, key, value, label)
      if depth < _DEPTH:
        yield from self._within(value, label, depth + 1)

  def _members(self, kind: type, label: str, depth: int) -> Iterator[Place]:
    self.owners.append((label, kind))
    for key, member in list(vars(kind).items()):
      if _is_constant(key, member):
        yield Place(vars(kind), key, member, f'{label}.{key}')
      elif isinstance(member, dict | types.FunctionType) and key[:2] != '__':
        yield from self._within(member, f'{label}.{key}', depth + 1)

  def _attributes(self, thing: Any, label: str, depth: int) -> Iterator[Place]:
    if type(getattr(thing, '__dict__', None)) is not dict:
      return
    self.owners.append((label, thing))
    for key, member in list(vars(thing).items()):
      if callable(member):
        yield Place(vars(thing), key, member, f'{label}.{key}')
      if isinstance(member, types.FunctionType):
        yield from self._within(member, f'{label}.{key}', depth + 1)

  def _is_theirs(self, value: Any) -> bool:
    kind = value if _is_class(value) else type(value)
    return str(kind.__module__).partition('.')[0] in self._packages
