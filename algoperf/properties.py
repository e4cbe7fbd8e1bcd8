"""What a workload says of itself, as far as it can be written down."""

from collections.abc import Mapping
from typing import Any

from algoperf import hardware, spec


def primitives(thing: Any) -> dict[str, Any]:
  """The public attributes of an object that are numbers or strings."""
  found = {}
  for name in dir(thing):
    if name.startswith('_'):
      continue
    try:
      value = getattr(thing, name)
    except (NotImplementedError, ValueError):
      continue  # Unknown before initialisation, or meaningless here.
    if value is None or isinstance(value, bool | int | float | str):
      found[name] = value
  return found


def meta_data(workload: spec.Workload, seed: int) -> Mapping[str, Any]:
  """What AlgoPerf's meta_data file holds, under its names where it has any."""
  properties = {
    f'workload.{name}': value for name, value in primitives(workload).items()
  }
  return properties | hardware.fingerprint() | {'rng_seed': seed}
