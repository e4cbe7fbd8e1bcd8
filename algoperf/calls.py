"""The calls of a submission's functions, with what is lent to it."""

from collections.abc import Callable
import time
from typing import Any

from algoperf import lent, spec


class Calls:
  """Wraps the functions of one submission, for one trial.

  The runner passes its own workload, results and batches; the functions get
  the submission's instead.
  """

  def __init__(
    self,
    lend: Callable[[], spec.Workload],
    timed: Callable[[float], None],
    now: Callable[[], float] = time.monotonic,
  ):
    """Wraps nothing yet.

    Args:
      lend: makes the submission's workload, once the runner's has parameters.
      timed: told how long each call took, after it.
      now: a monotonic clock.
    """
    self._lend = lend
    self._timed = timed
    self._now = now
    self._workload: spec.Workload | None = None
    self._types: spec.ParameterTypeTree = None
    self._queue: tuple[Any, lent.Queue] = (None, lent.Queue(iter(())))
    self._results: spec.EvalResults = []

  def initial(self, function: spec.InitOptimizerFn) -> spec.InitOptimizerFn:
    """init_optimizer_state: untimed, and the first to see the workload."""

    def init_optimizer_state(
      workload: spec.Workload, *args: Any
    ) -> spec.OptimizerState:
      del workload
      self._workload = self._lend()
      self._types = self._workload.model_params_types
      state = function(self._workload, *args)
      self._timed(0.0)
      return state

    return init_optimizer_state

  def selection(self, function: spec.DataSelectionFn) -> spec.DataSelectionFn:
    """data_selection, which is called by position."""
    now = self._now

    def data_selection(
      workload: spec.Workload, queue: Any, *args: Any
    ) -> spec.Batch:
      del workload
      if self._queue[0] is not queue:
        self._queue = queue, lent.Queue(queue)
      start = now()
      batch = function(self._workload, self._queue[1], *args)
      self._timed(now() - start)
      return batch

    return data_selection

  def by_keyword(self, function: spec.UpdateParamsFn) -> spec.UpdateParamsFn:
    """update_params or prepare_for_eval."""
    now = self._now

    def call(
      *, eval_results: spec.EvalResults, **kwargs: Any
    ) -> spec.UpdateReturn:
      for step, results in eval_results[len(self._results) :]:
        self._results.append((step, dict(results)))
      kwargs['workload'] = self._workload
      kwargs['current_params_types'] = self._types
      start = now()
      returned = function(eval_results=self._results, **kwargs)
      self._timed(now() - start)
      return returned

    return call
