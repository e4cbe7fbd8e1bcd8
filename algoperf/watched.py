"""An evaluation during which nothing of a submission may run."""

from collections.abc import Callable, Iterable
import sys
import threading
import time
import types
from typing import Any

import jax
import numpy as np

from algoperf import blame, dispatch, spec, trial

_THREAD_SECONDS = 0.002  # Of CPU time, of each thread.
_DEVICE_SECONDS, _DEVICE_SHARE = 0.5, 0.05
_CHECKPOINT_SECONDS = 0.05  # What its own kinds of trees may take.


class Evaluation:
  """Evaluates copies, and finds work that hides in this untimed part.

  Copies, as what is evaluated could be altered meanwhile. What could hide is
  code of the submission that the evaluation calls (a patch, a signal's handler,
  a method of some array-like object), its threads, and work on the devices that
  is not the evaluation's.
  """

  def __init__(
    self,
    evaluate: Callable[..., dict[str, float]],
    origins: blame.Origins,
    threads: Iterable[threading.Thread],
    report: Callable[[str], None],
    check: Callable[[], None],
  ):
    """Prepares to evaluate.

    Args:
      evaluate: (params, model_state, rng) → results.
      origins: whose code is whose.
      threads: those that the submission is known to have started.
      report: takes what was found.
      check: compares all else, and raises if anything was found.
    """
    self._evaluate = evaluate
    self._origins = origins
    self._threads = threads
    self._report = report
    self._check = check
    self._now = time.monotonic
    self._set_profile = sys.setprofile

  def __call__(
    self,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    rng: spec.RandomState,
  ) -> dict[str, float]:
    """The results of an evaluation that nothing interfered with.

    Raises:
      ViolationError: something did.
    """
    self._check()
    threads = self._cpu_seconds()
    start = self._now()
    before, set_profile = sys.getprofile(), self._set_profile
    set_profile(self._on_call)
    try:
      params, model_state = _copied((params, model_state))
      results = self._evaluate(params, model_state, rng)
    finally:
      set_profile(before)
    self._check_threads(threads)
    self._check_devices(self._now() - start)
    self._check()
    return results

  def _on_call(self, frame: types.FrameType, event: str, arg: Any) -> None:
    if event == 'call' and _is_submission(self._origins, frame):
      self._report(f'{_shown(frame)} ran during an evaluation')

  def _check_threads(self, before: dict[int, float]) -> None:
    for number, seconds in self._cpu_seconds().items():
      worked = seconds - before.get(number, 0.0)
      if worked > _THREAD_SECONDS:
        self._report(
          f'a thread of its own worked {worked:.3f} s during an evaluation'
        )

  def _cpu_seconds(self) -> dict[int, float]:
    """CPU time so far of each living thread of the submission, by number."""
    running = sys._current_frames()
    mine = {thread.ident for thread in self._threads if thread.is_alive()}
    mine |= {
      number
      for number, frame in running.items()
      if number != threading.get_ident() and self._runs_in(frame)
    }
    return {number: _cpu(number) for number in mine & running.keys()}

  def _runs_in(self, frame: types.FrameType) -> bool:
    return self._origins.culprit(frame, blame.OTHERS) is not None

  def _check_devices(self, took: float) -> None:
    """The evaluation has all its results, so that devices should be idle."""
    start = self._now()
    dispatch.fence()
    waited = self._now() - start
    if waited > _DEVICE_SECONDS + _DEVICE_SHARE * took:
      self._report(f'devices worked {waited:.2f} s more than an evaluation')


class Checkpoints:
  """Takes checkpoints, and finds work that hides in this untimed part.

  Taking a tree apart and storing an object may run code of a submission; that
  takes next to no time.
  """

  def __init__(
    self,
    checkpoints: trial.Checkpoints,
    origins: blame.Origins,
    report: Callable[[str], None],
  ):
    self._checkpoints = checkpoints
    self._origins = origins
    self._report = report
    self._now = time.monotonic
    self._set_profile = sys.setprofile
    self.due = checkpoints.due

  def take(self, state: trial.TrainState, *, met_target: bool) -> None:
    outermost: list[types.FrameType] = []
    start, seconds, place = 0.0, 0.0, ''

    def on_call(frame: types.FrameType, event: str, arg: Any) -> None:
      nonlocal start, seconds, place
      if event == 'call':
        if not outermost and _is_submission(self._origins, frame):
          outermost.append(frame)
          start, place = self._now(), _shown(frame)
      elif event == 'return' and outermost and frame is outermost[0]:
        outermost.clear()
        seconds += self._now() - start

    before, set_profile = sys.getprofile(), self._set_profile
    set_profile(on_call)
    try:
      self._checkpoints.take(state, met_target=met_target)
    finally:
      set_profile(before)
    if seconds > _CHECKPOINT_SECONDS:
      self._report(f'{place} ran for {seconds:.2f} s during a checkpoint')


def _is_submission(origins: blame.Origins, frame: types.FrameType) -> bool:
  name = frame.f_code.co_filename
  if name[:1] == '<':  # Made at run time: by whom?
    name = frame.f_globals.get('__file__') or name
  return origins.of_code(name) is blame.SUBMISSION


def _shown(frame: types.FrameType) -> str:
  file = frame.f_code.co_filename.rpartition('/')[2]
  return f'{frame.f_code.co_name} ({file}:{frame.f_lineno})'


def _cpu(number: int) -> float:
  """CPU seconds of a thread; where they are not known, its age counts."""
  if not hasattr(time, 'pthread_getcpuclockid'):
    return time.monotonic()
  return time.clock_gettime(time.pthread_getcpuclockid(number))


def _copied(tree: Any) -> Any:
  """The same arrays in other memory and other containers."""
  return jax.tree.map(
    lambda leaf: leaf.copy() if hasattr(leaf, 'copy') else np.array(leaf), tree
  )
