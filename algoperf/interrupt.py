"""How the process of a trial is asked to end, and how it ends if it does not.

SIGINT, SIGTERM, or the end of the parent ask: the trial stops after its step,
or in the middle of an evaluation, and takes a checkpoint. A process that has
not ended `STOP_SECONDS` later ends itself and whatever it has started: an
update may hang in compiled code where no Python handler runs.
"""

from collections.abc import Iterator
import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
import time

STOP_SECONDS = 25.0  # Batch systems kill 30 s after asking.
_POLL_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


class Interrupted(BaseException):
  """Somebody wants the trial to end, in the middle of an evaluation."""


class Interrupt:
  """Whether to stop. Made once, in the main thread."""

  def __init__(self, parent: int, seconds: float = STOP_SECONDS):
    """Begins to listen.

    Args:
      parent: the process without which this one has no business.
      seconds: from being asked to being ended.
    """
    self._requested = False
    self._urgent = False
    self._parent = parent
    self._seconds = seconds
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
      signal.signal(number, self._on_signal)
    _ask_at_end_of_parent()
    threading.Thread(
      target=self._watch, args=(reading,), name='interrupt', daemon=True
    ).start()

  def __call__(self) -> bool:
    return self._requested or os.getppid() != self._parent

  @contextlib.contextmanager
  def urgently(self) -> Iterator[None]:
    """Where a request raises Interrupted at once."""
    self._urgent = True
    try:
      if self._requested:
        raise Interrupted
      yield
    finally:
      self._urgent = False

  def _on_signal(self, *_: object) -> None:
    self._requested = True
    if self._urgent:
      raise Interrupted

  def _watch(self, reading: int) -> None:
    while True:
      ready, _, _ = select.select([reading], [], [], _POLL_SECONDS)
      received = os.read(reading, 64) if ready else b''
      gone = os.getppid() != self._parent
      if gone or {signal.SIGINT, signal.SIGTERM} & set(received):
        break
    end = time.monotonic() + self._seconds
    while (left := end - time.monotonic()) > 0:
      time.sleep(min(_POLL_SECONDS, left))
      if self._urgent:  # Raised where it is ignored, as in a destructor.
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
    print('not ended in time after being asked to', file=sys.stderr, flush=True)
    if os.getpgrp() == os.getpid():  # A session of its own, as it should be.
      os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _ask_at_end_of_parent() -> None:
  """Has the kernel send SIGTERM then, where it can (Linux).

  That is at the end of the thread that started this process, which waits for it
  as long as all is well.
  """
  with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
