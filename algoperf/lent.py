"""What a submission gets to hold: it can use it, and alter nothing by it."""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import operator
import sys
from typing import Any

import jax
import numpy as np

from algoperf import blame, spec

# What only the runner calls.
_RUNNERS = (
  'build_input_queue',
  'evaluate_split',
  'prepare_data',
  'with_goal',
  'attach_metrics_logger',
)
_OWN_COLUMNS = ('score', 'global_step', 'total_duration', 'preemption_count')
_OWN_PREFIXES = ('accumulated_', 'validation/', 'test/', 'train/')


def workload(
  own: spec.Workload,
  fresh: spec.Workload,
  origins: blame.Origins,
  report: Callable[[str], None],
) -> spec.Workload:
  """A workload of the submission's own, equal to the one that is measured.

  Nothing that is done to it has any effect on the other, and setting what a
  workload defines, or calling what is the runner's, is reported.

  Args:
    own: the harness's, after init_model_fn.
    fresh: a new one.
    origins: whose code is whose.
    report: takes what was found.
  """
  fresh._goal = dataclasses.replace(own.goal)
  fresh._param_shapes = _rebuilt(own._param_shapes)
  fresh._param_types = _rebuilt(own._param_types)
  if own.metrics_logger is not None:
    fresh.attach_metrics_logger(Logger(own.metrics_logger, report))
  fresh.__class__ = _watched(type(fresh), origins, report)
  return fresh


def _rebuilt(tree: Any) -> Any:
  return jax.tree.map(lambda leaf: leaf, tree)


def _watched(
  kind: type[spec.Workload],
  origins: blame.Origins,
  report: Callable[[str], None],
) -> type[spec.Workload]:
  """A class like another that reports what a submission does to it."""
  get_frame = sys._getframe
  direct = (blame.PYTHON,)

  def alters(self: Any, name: str) -> str | None:
    if name not in vars(self) and not hasattr(kind, name):
      return None  # A note of its own: it is its own copy.
    return origins.culprit(get_frame(2), direct)

  def set_attribute(self: Any, name: str, value: Any) -> None:
    if place := alters(self, name):
      report(f'alters workload.{name} in {place}')
    else:
      object.__setattr__(self, name, value)

  def delete_attribute(self: Any, name: str) -> None:
    if place := alters(self, name):
      report(f'alters workload.{name} in {place}')
    else:
      object.__delattr__(self, name)

  def runners(name: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
      if place := origins.culprit(get_frame(1)):
        report(f'calls workload.{name} in {place}')
        raise PermissionError(f'workload.{name} is for the runner only.')
      return getattr(kind, name)(self, *args, **kwargs)

    return call

  return type(
    kind.__name__,
    (kind,),
    {
      '__module__': kind.__module__,
      '__qualname__': kind.__qualname__,
      '__setattr__': set_attribute,
      '__delattr__': delete_attribute,
      **{name: runners(name) for name in _RUNNERS},
    },
  )


class Queue:
  """The training batches, one after the other, and nothing else."""

  __slots__ = ('__next',)

  def __init__(self, batches: Iterator[spec.Batch]):
    self.__next = batches.__next__

  def __iter__(self) -> 'Queue':
    return self

  def __next__(self) -> spec.Batch:
    return self.__next()


class Logger:
  """Takes scalars, as what they are: no code of others runs later."""

  __slots__ = ('__append', '__report')

  def __init__(self, logger: spec.MetricsLogger, report: Callable[[str], None]):
    self.__append = logger.append_scalar_metrics
    self.__report = report

  def append_scalar_metrics(
    self,
    metrics: Mapping[str, Any],
    global_step: int,
    preemption_count: int | None = None,
    is_eval: bool = False,
  ) -> None:
    """Keeps scalars (numbers or 0-d arrays) of one step."""
    del preemption_count, is_eval
    kept = {str(name): _scalar(value) for name, value in metrics.items()}
    for name in kept:
      if name in _OWN_COLUMNS or name.startswith(_OWN_PREFIXES):
        self.__report(f'logs {name!r}, which only the harness measures')
    self.__append(kept, operator.index(global_step))


def _scalar(value: Any) -> Any:
  """A number or an array of the libraries', that is read later."""
  if type(value) in (bool, int, float) or isinstance(value, jax.Array):
    return value
  if type(value) is np.ndarray or isinstance(value, np.generic):
    return np.array(value)
  return float(value)
