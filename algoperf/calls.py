"""The calls of a submission's functions, with what is lent to it."""

from collections.abc import Callable, Iterator
import time
from typing import Any

from algoperf import lent, spec

# Seconds between looks, each of which takes 0.1 ms when nothing is in a cache.
# What is not told before an evaluation counts after it: less than `integrity`
# lets the clock be off.
PERIOD = 0.03


class Calls:
  """Wraps the functions of one submission, for one trial.

  The runner passes its own workload, results and batches; the functions get
  the submission's instead.
  """

  def __init__(
    self,
    lend: Callable[[], spec.Workload],
    timed: Callable[[float], None],
    initialising: Callable[[bool], None],
    now: Callable[[], float] = time.monotonic,
  ):
    """Wraps nothing yet.

    Args:
      lend: makes the submission's workload, once the runner's has parameters.
      timed: told how long calls took, after them and at least `PERIOD` apart:
        it looks at much.
      initialising: told when init_optimizer_state begins, and ends.
      now: a monotonic clock.
    """
    self._lend = lend
    self._timed = timed
    self._initialising = initialising
    self._seconds, self._told = 0.0, now()
    self._now = now
    self._workload: spec.Workload | None = None
    self._types: spec.ParameterTypeTree = None
    self._queue: tuple[Any, Iterator[spec.Batch]] = None, iter(())
    self._results: spec.EvalResults = []

  def initial(self, function: spec.InitOptimizerFn) -> spec.InitOptimizerFn:
    """init_optimizer_state: untimed, and the first to see the workload."""

    def init_optimizer_state(
      workload: spec.Workload, *args: Any
    ) -> spec.OptimizerState:
      del workload
      self._workload = self._lend()
      self._types = self._workload.model_params_types
      self._initialising(True)
      state = function(self._workload, *args)
      self._initialising(False)
      self._timed(0.0)
      return state

    return init_optimizer_state

  def selection(self, function: spec.DataSelectionFn) -> spec.DataSelectionFn:
    """data_selection, which is called by position."""
    now, after = self._now, self._after

    def data_selection(
      workload: spec.Workload, queue: Any, *args: Any
    ) -> spec.Batch:
      del workload
      if self._queue[0] is not queue:
        self._queue = queue, lent.queue(queue)
      start = now()
      batch = function(self._workload, self._queue[1], *args)
      after(start)
      return batch

    return data_selection

  def by_keyword(self, function: spec.UpdateParamsFn) -> spec.UpdateParamsFn:
    """update_params or prepare_for_eval."""
    now, after = self._now, self._after

    def call(
      *, eval_results: spec.EvalResults, **kwargs: Any
    ) -> spec.UpdateReturn:
      if len(eval_results) > len(self._results):
        self._add(eval_results[len(self._results) :])
      kwargs['workload'] = self._workload
      kwargs['current_params_types'] = self._types
      start = now()
      returned = function(eval_results=self._results, **kwargs)
      after(start)
      return returned

    return call

  def _add(self, eval_results: spec.EvalResults) -> None:
    self._results += [(step, dict(results)) for step, results in eval_results]

  def _after(self, start: float) -> None:
    now = self._now()
    self._seconds += now - start
    if now - self._told > PERIOD:
      seconds, self._seconds = self._seconds, 0.0
      self._timed(seconds)
      self._told = self._now()
