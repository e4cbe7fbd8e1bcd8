"""What a submission gets to hold: it can use it, and alter nothing by it.

None of it refers to what the harness goes by: Python hides nothing that can be
reached by attributes, closures included. What is to be known outside is said as
an audit event, which `audit` hears; what has to be passed on goes through a
generator, whose frame cannot be looked at unheard.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
import dataclasses
import functools
import operator
import sys
import threading
from typing import Any

import jax
import numpy as np

from algoperf import spec

# Events, each with one argument, in words.
ALTERS, CALLS, COMPUTES, LOGS = (
  f'algoperf.{what}' for what in ('alters', 'calls', 'computes', 'logs')
)

# What only the runner calls.
_RUNNERS = (
  'build_input_queue',
  'evaluate_split',
  'prepare_data',
  'with_goal',
  'attach_metrics_logger',
)
_OWN_COLUMNS = ('score', 'total_duration', 'preemption_count')
_OWN_PREFIXES = ('accumulated_', 'validation/', 'test/')
# Names that honest code may give to what it logs, too: they are prefixed.
_SHARED, _PREFIX = ('train/', 'global_step'), 'submission/'


def workload(own: spec.Workload, fresh: spec.Workload) -> spec.Workload:
  """A workload of the submission's own, equal to the one that is measured.

  Nothing that is done to it has any effect on the other, and setting what a
  workload defines, or calling what is the runner's, is told.

  Args:
    own: the harness's, after init_model_fn.
    fresh: a new one.
  """
  fresh._goal = dataclasses.replace(own.goal)
  fresh._param_shapes = _rebuilt(own._param_shapes)
  fresh._param_types = _rebuilt(own._param_types)
  if own.metrics_logger is not None:
    fresh.attach_metrics_logger(Logger(own.metrics_logger))
  fresh.__class__ = _watched(type(fresh))
  return fresh


def _rebuilt(tree: Any) -> Any:
  return jax.tree.map(lambda leaf: leaf, tree)


def _watched(kind: type[spec.Workload]) -> type[spec.Workload]:
  """A class like another that tells what is done to it."""

  def tell(self: Any, name: str) -> None:
    # A note of its own is no matter: it is its own copy.
    if name in vars(self) or hasattr(kind, name):
      sys.audit(ALTERS, f'workload.{name}')

  def set_attribute(self: Any, name: str, value: Any) -> None:
    tell(self, name)
    object.__setattr__(self, name, value)

  def delete_attribute(self: Any, name: str) -> None:
    tell(self, name)
    object.__delattr__(self, name)

  def runners(name: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
      sys.audit(CALLS, f'workload.{name}')
      raise PermissionError(f'workload.{name} is for the runner only.')

    return call

  def computing(name: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
      sys.audit(COMPUTES, f'workload.{name}')
      return getattr(kind, name)(self, *args, **kwargs)

    return functools.wraps(getattr(kind, name))(call)

  return type(
    kind.__name__,
    (kind,),
    {
      '__module__': kind.__module__,
      '__qualname__': kind.__qualname__,
      '__setattr__': set_attribute,
      '__delattr__': delete_attribute,
      **{name: runners(name) for name in _RUNNERS},
      **{name: computing(name) for name in ('model_fn', 'loss_fn')},
    },
  )


def queue(batches: Iterator[spec.Batch]) -> Generator[spec.Batch, None, None]:
  """The training batches, one after the other, and nothing else."""
  for batch in batches:  # noqa: UP028  One can look through `yield from`.
    yield batch


class Logger:
  """Takes scalars, as what they are: no code of others runs later."""

  __slots__ = ('__lock', '__send')

  def __init__(self, logger: spec.MetricsLogger):
    sink = _sink(logger.append_scalar_metrics)
    next(sink)
    self.__send = sink.send
    self.__lock = threading.Lock()

  def append_scalar_metrics(
    self,
    metrics: Mapping[str, Any],
    global_step: int,
    preemption_count: int | None = None,
    is_eval: bool = False,
  ) -> None:
    """Keeps scalars (numbers or 0-d arrays) of one step, and nothing else."""
    del preemption_count, is_eval
    scalars = ((str(name), _scalar(value)) for name, value in metrics.items())
    kept = {
      f'{_PREFIX}{name}' if name.startswith(_SHARED) else name: value
      for name, value in scalars
      if value is not None
    }
    for name in kept:
      if name in _OWN_COLUMNS or name.startswith(_OWN_PREFIXES):
        sys.audit(LOGS, f'logs {name!r}, which only the harness measures')
    step = operator.index(global_step)
    with self.__lock:
      error = self.__send((kept, step))
    if error is not None:
      raise error


def _sink(
  append: Callable[..., None],
) -> Generator[Exception | None, tuple[Any, ...], None]:
  """Passes on what is sent to it, and yields what that raises."""
  error = None
  while True:
    arguments = yield error
    try:
      append(*arguments)
      error = None
    except Exception as caught:
      error = caught


def _scalar(value: Any) -> Any:
  """A number or an array of the libraries', that is read later; else None."""
  if type(value) in (bool, int, float) or isinstance(value, jax.Array):
    return value
  if type(value) is np.ndarray or isinstance(value, np.generic):
    return np.array(value)
  try:
    return float(value)
  except (TypeError, ValueError):
    return None
