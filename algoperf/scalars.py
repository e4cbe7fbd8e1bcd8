"""What a submission logs, until it is written."""

import collections
from collections.abc import Mapping
from typing import Any


class ScalarBuffer:
  """The metrics logger that a submission gets.

  It only keeps what it is given, on the submission's time: device arrays are
  read, and files written, outside the clock.
  """

  def __init__(self) -> None:
    self._kept: collections.deque[tuple[Mapping[str, Any], int]] = (
      collections.deque()
    )

  def append_scalar_metrics(
    self,
    metrics: Mapping[str, Any],
    global_step: int,
    preemption_count: int | None = None,
    is_eval: bool = False,
  ) -> None:
    """Keeps scalars (numbers or 0-d arrays) of one step.

    Arrays are copied, because the next step may donate them; the copy waits
    for no device. Of several numbers, one a device, the mean is kept.
    """
    del preemption_count, is_eval
    kept = {
      key: value.copy() if hasattr(value, 'copy') else value
      for key, value in metrics.items()
    }
    self._kept.append((kept, global_step))

  def drain(self) -> list[dict[str, Any]]:
    """What was kept since the last call, as rows of Python floats."""
    rows = []
    while self._kept:  # Another thread may add to it at the same time.
      metrics, step = self._kept.popleft()
      row = {
        key: float(value.mean() if hasattr(value, 'mean') else value)
        for key, value in metrics.items()
      }
      rows.append({'global_step': int(step)} | row)
    return rows
