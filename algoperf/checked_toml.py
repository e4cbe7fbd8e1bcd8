"""TOML files read with checks: a wrong key or value is named with its line."""

from collections.abc import Callable, Iterable, Mapping
import difflib
import math
import re
import tomllib
from typing import Any

from algoperf import spec

# Returns the value to use, or raises ValueError(what would be allowed).
Check = Callable[[Any], Any]


def text(value: Any) -> str:
  if isinstance(value, str) and value.strip():
    return value
  raise ValueError('a non-empty string')


def word(value: Any) -> str:
  if isinstance(value, str) and re.fullmatch(r'[A-Za-z][\w.-]*', value):
    return value
  raise ValueError('a name of letters, digits and _ . -')


def flag(value: Any) -> bool:
  if isinstance(value, bool):
    return value
  raise ValueError('true or false')


def count(value: Any) -> int:
  if isinstance(value, int) and not isinstance(value, bool) and value > 0:
    return value
  raise ValueError('a whole number above 0')


def number(value: Any) -> float:
  real = isinstance(value, int | float) and not isinstance(value, bool)
  if real and math.isfinite(value):
    return float(value)
  raise ValueError('a finite number')


def above(bound: float) -> Check:
  def check(value: Any) -> float:
    try:
      if number(value) > bound:
        return number(value)
    except ValueError:
      pass
    raise ValueError(f'a finite number above {bound:g}')

  return check


def one_of(*allowed: str) -> Check:
  def check(value: Any) -> str:
    if isinstance(value, str) and value in allowed:
      return value
    raise ValueError(f'one of {", ".join(map(repr, allowed))}')

  return check


def some_of(*allowed: str) -> Check:
  def check(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    if items and all(i in allowed and items.count(i) == 1 for i in items):
      return tuple(items)
    choices = ', '.join(map(repr, allowed))
    raise ValueError(f'a list of one or more of {choices}, each once')

  return check


def table(value: Any) -> dict[str, Any]:
  if isinstance(value, dict) and value:
    return value
  raise ValueError('a table with at least one entry')


def suggest(name: str, names: Iterable[str]) -> str:
  """The end of an error about an unknown name: near ones, or all."""
  names = list(names)
  if near := difflib.get_close_matches(name, names, cutoff=0.5):
    return f'did you mean {" or ".join(near)}?'
  return f'choose from {", ".join(names)}'


class File:
  """One parsed TOML file, which knows where its keys stand.

  Raises:
    UsageError: not TOML at all; says where.
  """

  def __init__(self, text: str, source: str):
    self._lines = text.splitlines()
    self._source = source
    try:
      self.content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
      raise spec.UsageError(f'{source}: not valid TOML: {error}') from error

  def read(
    self,
    values: Any,
    where: str,
    *,
    required: Mapping[str, Check],
    optional: Mapping[str, Check] | None = None,
  ) -> dict[str, Any]:
    """The checked values of the table whose dotted name is `where`.

    Raises:
      UsageError: a key that is missing, unknown or has a wrong value.
    """
    checks = {**required, **(optional or {})}
    if not isinstance(values, dict):
      parent, _, name = where.rpartition('.')
      raise self.error(parent, name, f'{values!r} is no table')
    for key in values:
      if key not in checks:
        hint = suggest(key, checks)
        raise self.error(where, key, f'unknown key; {hint}')
    for key in required:
      if key not in values:
        raise self.error(where, key, 'this key is missing')
    return {
      key: self._checked(where, key, value, checks[key])
      for key, value in values.items()
    }

  def error(self, where: str, key: str, message: str) -> spec.UsageError:
    """The error to raise about a key ('' for the table itself)."""
    line = self._line(where, key)
    place = f'{self._source}:{line}' if line else self._source
    name = '.'.join(filter(None, (where, key)))
    return spec.UsageError(': '.join(filter(None, (place, name, message))))

  def _checked(self, where: str, key: str, value: Any, check: Check) -> Any:
    try:
      return check(value)
    except ValueError as error:
      message = f'{value!r} is not allowed; it must be {error}'
      raise self.error(where, key, message) from None

  def _line(self, where: str, key: str) -> int | None:
    """The line that sets a key, or else the one that opens its table."""
    target = '.'.join(filter(None, (where, key)))
    assignment = re.compile(rf'\s*["\']?{re.escape(key)}["\']?\s*=')
    table_name, opened = '', None
    for line_number, line in enumerate(self._lines, start=1):
      if header := re.match(r'\s*\[\s*([^\]]+?)\s*\]', line):
        table_name = re.sub(r'[\s"\']', '', header[1])
        if table_name == target:
          return line_number
        if table_name == where:
          opened = line_number
      elif table_name == where and assignment.match(line):
        return line_number
    return opened
