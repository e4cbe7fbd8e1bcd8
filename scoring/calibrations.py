"""Whether machines of one kind were equally fast (`hardware.calibration`)."""

from collections.abc import Iterable, Iterator, Mapping
import operator

from scoring import logs, notices

FACTOR = 1.5  # Between the fastest and the slowest; above it, it is said.
_LARGEST = 1e300
_SPEEDS = {
  'matmul_gflops': ('matrix products', 'GFLOP/s'),
  'copy_gib_per_s': ('copies', 'GiB/s'),
  'jpeg_per_s': ('JPEG decoding', 'images/s'),
}


def differing(records: Iterable[logs.Record]) -> Iterator[notices.Notice]:
  """Notices of speeds that differ between trials on the same hardware."""
  groups: dict[str, list[logs.Record]] = {}
  for record in records:
    if record.calibration is not None:
      groups.setdefault(record.hardware, []).append(record)
  for hardware, group in sorted(groups.items()):
    for key, (what, unit) in _SPEEDS.items():
      speeds = [
        (speed, record.where.path)
        for record in group
        if (speed := _speed(record.calibration, key))
      ]
      if not speeds:
        continue
      slow, slow_path = min(speeds, key=operator.itemgetter(0))
      fast, fast_path = max(speeds, key=operator.itemgetter(0))
      if fast > FACTOR * slow:
        yield notices.Notice(
          kind='uneven machines',
          path=slow_path,
          message=f'{what} at {slow:.4g} {unit}, {fast:.4g} in {fast_path}, '
          f'both on {hardware or "unknown hardware"}',
        )


def _speed(found: object, key: str) -> float:
  """One speed of a calibration, 0 if there is none."""
  value = found.get(key) if isinstance(found, Mapping) else None
  if isinstance(value, bool) or not isinstance(value, int | float):
    return 0.0
  return float(value) if 0 < value < _LARGEST else 0.0
