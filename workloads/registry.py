"""Workloads by name.

A family registers its workloads when its `workload` module is imported, which
happens at the first look-up; importing the registry itself costs nothing.
"""

from collections.abc import Callable
import difflib
import importlib

from algoperf import spec

Factory = Callable[[], spec.Workload]

_FAMILIES = ('imagenet_resnet', 'wmt', 'language_model')
_factories: dict[str, Factory] = {}


def register(name: str) -> Callable[[Factory], Factory]:
  """Decorates a zero-argument factory of the workload called `name`.

  Raises:
    ValueError: the name is taken.
  """

  def decorate(factory: Factory) -> Factory:
    if name in _factories:
      raise ValueError(f'A workload named {name!r} is registered already.')
    _factories[name] = factory
    return factory

  return decorate


def names() -> list[str]:
  """Sorted names of all workloads: bases, small siblings and variants."""
  _import_families()
  return sorted(_factories.keys() - toys())


def toys() -> list[str]:
  """Names of the toys, one of each family, of generated data.

  They are there to try code on, and are measured nowhere.
  """
  return [f'{family}_toy' for family in _FAMILIES]


def get(name: str) -> spec.Workload:
  """A new workload, without a goal.

  Raises:
    UsageError: there is no workload of that name; says which names are near.
  """
  known = names()
  if name not in _factories:
    near = difflib.get_close_matches(name, known)
    hint = f' Did you mean {" or ".join(near)}?' if near else ''
    raise spec.UsageError(
      f'There is no workload named {name!r}.{hint} '
      f'Known workloads: {", ".join(known)}.'
    )
  return _factories[name]()


def _import_families() -> None:
  for family in _FAMILIES:
    importlib.import_module(f'workloads.{family}.workload')
