"""The calls of a submission's functions, with what is lent to it."""

from collections.abc import Callable, Iterator
import time
from typing import Any

from algoperf import lent, spec

PERIOD = 0.1  # Seconds between looks: one takes 0.1 ms with nothing in a cache.


class Calls:
  """Wraps the functions of one submission, for one trial.

  The runner passes its own workload, results and batches; the functions get
  the submission's instead.
  """

  def __init__(
    self,
    lend: Callable[[], spec.Workload],
    look: Callable[[], None],
    initialising: Callable[[bool], None],
    now: Callable[[], float] = time.monotonic,
  ):
    """Wraps nothing yet.

    Args:
      lend: makes the submission's workload, once the runner's has parameters.
      look: called after calls, at least `PERIOD` apart: it looks at much.
      initialising: told when init_optimizer_state begins, and ends.
      now: a monotonic clock.
    """
    self._lend = lend
    self._look = look
    self._initialising = initialising
    self._now = now
    self._seconds, self._looked = 0.0, now()
    self._workload: spec.Workload | None = None
    self._types: spec.ParameterTypeTree = None
    self._queue: tuple[Any, Iterator[spec.Batch]] = None, iter(())
    self._results: spec.EvalResults = []

  @property
  def seconds(self) -> float:
    """What all calls took that are timed."""
    return self._seconds

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
      self._look()
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
    if now - self._looked > PERIOD:
      self._look()
      self._looked = self._now()
