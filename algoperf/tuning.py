"""Search space → hyperparameter points.

A search space is JSON, in one of AlgoPerf's two forms:

* a list: each element is a point (name → value), used in file order; names
  that only some have are for code that asks for them (`hasattr`);
* an object: name → {"min", "max", "scaling": "linear" | "log"} or
  {"feasible_points": […]}, sampled quasi-randomly.
"""

import collections
from collections.abc import Mapping
import json
import keyword
import math
import pathlib
from typing import Any

import numpy as np

from algoperf import spec

Point = dict[str, Any]

_DISCARDED = 100  # Early elements of such sequences are correlated.
_RANGE_KEYS = {'min', 'max', 'scaling'}
_FORMS = (
  '{"min", "max", "scaling": "linear" or "log"} or {"feasible_points": [...]}'
)


def load(
  path: str | pathlib.Path, num_trials: int, seed: int, study: int = 1
) -> list[Point]:
  """The points to try in one study, in an order that only the seed decides.

  Args:
    path: the search space, a JSON file.
    num_trials: points a study; a list may hold fewer, then it gives all.
    seed: permutes quasi-random points; a list keeps its order.
    study: from 1. Each study takes the next `num_trials` quasi-random points,
      so that more studies change nothing in earlier ones; a list is the same
      in all.

  Returns:
    Points whose names have the order of the file.

  Raises:
    UsageError: the file is missing or breaks a rule.
  """
  if num_trials < 1:
    raise spec.UsageError(
      f'number of tuning trials is {num_trials}: it must be at least 1.'
    )
  space = _checked(path)
  if isinstance(space, list):
    return space[:num_trials]
  units_TxD = quasi_random(num_trials * study, len(space))[-num_trials:]
  order_T = np.random.default_rng((seed, study)).permutation(num_trials)
  return [
    {
      name: _scale(dimension, float(unit))
      for (name, dimension), unit in zip(space.items(), unit_D, strict=True)
    }
    for unit_D in units_TxD[order_T]
  ]


def names(path: str | pathlib.Path) -> list[str]:
  """The hyperparameters that every point has, in the order of the file.

  Raises:
    UsageError: as of `load`.
  """
  space = _checked(path)
  first, *others = space if isinstance(space, list) else [space]
  return [name for name in first if all(name in point for point in others)]


def as_namedtuple(point: Mapping[str, Any]) -> spec.Hyperparameters:
  """The point as submissions get it: a namedtuple `Hyperparameters`."""
  return collections.namedtuple('Hyperparameters', point)(**point)


def quasi_random(num_points: int, num_dimensions: int) -> np.ndarray:
  """A scrambled and shifted Halton sequence, element for element AlgoPerf's.

  Follows Bousquet et al. 2017, "Critical hyper-parameters: no random, no cry"
  (arXiv 1706.03200), with the digit permutations and shifts that AlgoPerf
  draws: base b seeds NumPy's legacy generator.

  Args:
    num_points: T, at least 1.
    num_dimensions: D, from 1 to 166.

  Returns:
    float64 array of shape (T, D) with values in [0, 1).
  """
  bases_D = _primes()[-num_dimensions - 1 : -1]
  return np.stack([_dimension(base, num_points) for base in bases_D], axis=1)


def _dimension(base: int, num_points: int) -> np.ndarray:
  state = np.random.RandomState(base)
  digits = np.arange(1, base)
  state.shuffle(digits)
  digits = np.concatenate([[0], digits])
  shift = state.uniform()
  rest_T = np.arange(num_points) + _DISCARDED + 1
  values_T, weight = np.zeros(num_points), 1.0
  while rest_T.any():
    weight /= base
    values_T += digits[rest_T % base] * weight
    rest_T //= base
  return (values_T + shift) % 1.0


def _primes() -> list[int]:
  return [
    n for n in range(3, 998, 2) if all(n % k for k in range(3, int(n**0.5) + 1))
  ]


def _scale(dimension: dict[str, Any], unit: float) -> Any:
  """The value of one hyperparameter at a position in [0, 1)."""
  if 'feasible_points' in dimension:
    points = dimension['feasible_points']
    return points[int(unit * len(points))]
  low, high = dimension['min'], dimension['max']
  if dimension['scaling'] == 'log':
    return low * math.exp(unit * math.log(high / low))
  return low + unit * (high - low)


def _checked(path: str | pathlib.Path) -> list[Point] | dict[str, Any]:
  """A search space in one of the two forms, without a fault."""
  space = _read(path)
  if isinstance(space, list):
    _check_points(path, space)
    return space
  if not isinstance(space, dict) or not space:
    raise spec.UsageError(
      f'{path}: a search space is a non-empty object or a non-empty list.'
    )
  for name, dimension in space.items():
    _check_name(path, name)
    _check_dimension(path, name, dimension)
  if len(space) > len(_primes()) - 1:
    raise spec.UsageError(
      f'{path}: {len(space)} hyperparameters: a sampled space may have at '
      f'most {len(_primes()) - 1}.'
    )
  return space


def _read(path: str | pathlib.Path) -> Any:
  try:
    text = pathlib.Path(path).read_text(encoding='utf-8')
  except (OSError, UnicodeDecodeError) as error:
    reason = getattr(error, 'strerror', None) or 'not UTF-8 text'
    raise spec.UsageError(f'{path}: cannot read search space: {reason}.') from (
      error
    )
  try:
    return json.loads(
      text, object_pairs_hook=_unique, parse_constant=_no_constant
    )
  except json.JSONDecodeError as error:
    raise spec.UsageError(
      f'{path}:{error.lineno}: not JSON: {error.msg}.'
    ) from error
  except ValueError as error:
    raise spec.UsageError(f'{path}: {error}.') from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  names = collections.Counter(name for name, _ in pairs)
  for name, count in names.items():
    if count > 1:
      raise ValueError(f'name {name!r} is given {count} times in one object')
  return dict(pairs)


def _no_constant(literal: str) -> None:
  raise ValueError(f'value {literal} is not finite')


def _check_points(path: str | pathlib.Path, points: list[Any]) -> None:
  if not points:
    raise spec.UsageError(f'{path}: the list of points is empty.')
  for number, point in enumerate(points, start=1):
    if not isinstance(point, dict) or not point:
      raise spec.UsageError(
        f'{path}: point {number} is {point!r}: a point is a non-empty object '
        '(name to value).'
      )
    for name in point:
      _check_name(path, name)


def _check_name(path: str | pathlib.Path, name: str) -> None:
  if not name.isidentifier() or keyword.iskeyword(name) or name[0] == '_':
    raise spec.UsageError(
      f'{path}: hyperparameter {name!r}: a name must be a Python identifier '
      'without a leading underscore.'
    )


def _check_dimension(
  path: str | pathlib.Path, name: str, dimension: Any
) -> None:
  """Raises UsageError unless the dimension has one of the two forms."""

  def fail(message: str) -> None:
    raise spec.UsageError(f'{path}: hyperparameter {name!r}: {message}.')

  if not isinstance(dimension, dict):
    fail(f'{dimension!r} is not of the form {_FORMS}')
  if 'feasible_points' in dimension:
    unknown = dimension.keys() - {'feasible_points'}
    points = dimension['feasible_points']
    if not isinstance(points, list) or not points:
      fail(f'feasible_points is {points!r}: must be a non-empty list')
  else:
    unknown = dimension.keys() - _RANGE_KEYS
  if unknown:
    fail(f'unknown key {min(unknown)!r}: must be {_FORMS}')
  if 'feasible_points' in dimension:
    return
  if missing := _RANGE_KEYS - dimension.keys():
    fail(f'{min(missing)!r} is missing: must be {_FORMS}')
  low, high, scaling = (dimension[key] for key in ('min', 'max', 'scaling'))
  for key, value in (('min', low), ('max', high)):
    if type(value) not in (int, float) or not math.isfinite(value):
      fail(f'{key} is {value!r}: must be a finite number')
  if low > high:
    fail(f'min {low} is greater than max {high}')
  if scaling not in ('linear', 'log'):
    fail(f"scaling is {scaling!r}: must be 'linear' or 'log'")
  if scaling == 'log' and low <= 0:
    fail(f"min is {low}: scaling 'log' needs a min greater than 0")
