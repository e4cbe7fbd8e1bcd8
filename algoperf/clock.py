"""The submission clock: what is timed, and where every second went."""

from collections.abc import Callable, Mapping
import time
from typing import Any

TIMED = ('compile', 'data', 'update', 'prepare')
UNTIMED = ('evaluation', 'logging', 'checkpointing', 'other')


def _nothing() -> None:
  """The fence of a clock that no device works behind."""


class SubmissionClock:
  """Charges each moment of a trial to exactly one part.

  The clock is always inside one part; `enter` leaves it for another. The parts
  therefore add up to the wall time by construction. Whenever the boundary
  between timed and untimed parts is crossed, in either direction, `fence` waits
  first for everything that was dispatched, so that no queued work lands on the
  wrong side. Between timed parts nothing waits.

  Seconds throughout, of a monotonic clock.
  """

  def __init__(
    self,
    *,
    now: Callable[[], float] = time.monotonic,
    fence: Callable[[], None] = _nothing,
    compiled: Callable[[], float] = lambda: 0.0,
    started: float | None = None,
  ):
    """A clock that starts in the part 'other'.

    Args:
      now: a monotonic clock.
      fence: returns once no dispatched work is pending.
      compiled: seconds spent compiling so far; what it grows by inside a timed
        part is charged to 'compile' instead of that part.
      started: a reading of `now` to count from, if not this moment: the start
        of the process, as its parent saw it.
    """
    self._now = now
    self._fence = fence
    self._compiled = compiled
    self._part = 'other'
    self.started = now() if started is None else started
    self._boundary = self.started
    self._compiled_before = compiled()
    self._seconds = dict.fromkeys(TIMED + UNTIMED, 0.0)
    self._timed = 0.0

  def enter(self, part: str, *, fenced: bool = True) -> float:
    """Leaves the current part for another one and returns the time of it.

    Args:
      part: one of TIMED or UNTIMED.
      fenced: False after a failure, when waiting for its work would fail again.
    """
    was_timed = self._part in TIMED
    if fenced and was_timed != (part in TIMED):
      self._fence()
    now = self._now()
    self._charge(now - self._boundary, was_timed)
    self._part = part
    self._boundary = now
    return now

  def _charge(self, elapsed: float, timed: bool) -> None:
    compiled = self._compiled()
    if timed:
      self._timed += elapsed
      if compiled != self._compiled_before:
        share = min(elapsed, compiled - self._compiled_before)
        self._seconds['compile'] += share
        elapsed -= share
    self._compiled_before = compiled
    self._seconds[self._part] += elapsed

  @property
  def timed(self) -> float:
    """Submission time up to the last boundary; exact where it was fenced."""
    return self._timed

  @property
  def wall(self) -> float:
    """Time from the start to the last boundary."""
    return self._boundary - self.started

  def __getitem__(self, part: str) -> float:
    return self._seconds[part]

  def state(self) -> dict[str, Any]:
    """All seconds up to the last boundary, for `resume`."""
    return {'wall': self.wall, 'timed': self._timed, 'parts': self.parts()}

  def resume(self, saved: Mapping[str, Any]) -> None:
    """Goes on from a saved state: what has passed here comes on top of it."""
    self.started -= saved['wall']
    self._timed += saved['timed']
    for part, seconds in saved['parts'].items():
      self._seconds[part] += seconds

  def parts(self) -> dict[str, float]:
    """Seconds by part, up to the last boundary."""
    return dict(self._seconds)
