"""Whether machines of one kind were equally fast (`hardware.calibration`)."""

from collections.abc import Iterator, Mapping
import math

import pandas as pd

from scoring import notices

FACTOR = 1.5  # Between the fastest and the slowest; above it, it is said.
_LARGEST = 1e300
_SPEEDS = {
  'matmul_gflops': ('matrix products', 'GFLOP/s'),
  'copy_gib_per_s': ('copies', 'GiB/s'),
  'jpeg_per_s': ('JPEG decoding', 'images/s'),
}


def differing(trials: pd.DataFrame) -> Iterator[notices.Notice]:
  """Notices of speeds that differ between trials on the same hardware.

  Args:
    trials: with `hardware`, `path` and `calibration`, what trial.json has
      (None if nothing).
  """
  known = trials[trials['calibration'].notna()]
  if known.empty:
    return
  for hardware, group in known.groupby('hardware', sort=True):
    for key, (what, unit) in _SPEEDS.items():
      speeds = group['calibration'].map(
        lambda found, key=key: _speed(found, key)
      )
      speeds = speeds.dropna()
      if speeds.empty or speeds.max() <= FACTOR * speeds.min():
        continue
      slow, fast = speeds.idxmin(), speeds.idxmax()
      yield notices.Notice(
        kind='uneven machines',
        path=group['path'][slow],
        message=f'{what} at {speeds[slow]:.4g} {unit}, {speeds[fast]:.4g} in '
        f'{group["path"][fast]}, both on {hardware or "unknown hardware"}',
      )


def _speed(found: object, key: str) -> float:
  """One speed of a calibration, NaN if there is none."""
  value = found.get(key) if isinstance(found, Mapping) else None
  if isinstance(value, bool) or not isinstance(value, int | float):
    return math.nan
  return float(value) if 0 < value < _LARGEST else math.nan
