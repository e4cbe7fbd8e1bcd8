"""What the devices are that JAX uses."""

from collections.abc import Callable, Sequence
import functools
import subprocess
from typing import Any, Protocol


class Device(Protocol):
  """As much of jax.Device as is asked for here."""

  platform: str
  device_kind: str

  def memory_stats(self) -> dict[str, int] | None: ...


@functools.cache
def _of_driver() -> tuple[float, ...]:
  """Memory of each NVIDIA GPU in GiB, as the driver says; empty without one.

  JAX itself tells only the share that it has taken.
  """
  query = ['--query-gpu=memory.total', '--format=csv,noheader,nounits']
  try:
    output = subprocess.run(
      ['nvidia-smi', *query], capture_output=True, timeout=60, check=True
    ).stdout
    return tuple(int(line) / 1024 for line in output.split())
  except (OSError, ValueError, subprocess.SubprocessError):
    return ()


def describe(
  devices: Sequence[Device],
  of_driver: Callable[[], Sequence[float]] = _of_driver,
) -> dict[str, Any]:
  """Platform, kind, number and memory of devices.

  Args:
    devices: those that JAX uses, on all hosts; one or more.
    of_driver: GiB of each GPU of this host.

  Returns:
    `platform`; `device`: the kind, or several joined by ' + '; `devices`: how
    many; `device_memory_gib`: of the smallest, None where it is not known or is
    that of the host.
  """
  platform = devices[0].platform
  kinds = sorted({device.device_kind for device in devices})
  return {
    'platform': platform,
    'device': ' + '.join(kinds),
    'devices': len(devices),
    'device_memory_gib': _memory(platform, devices, of_driver),
  }


def _memory(
  platform: str,
  devices: Sequence[Device],
  of_driver: Callable[[], Sequence[float]],
) -> float | None:
  if platform == 'cpu':
    return None
  sizes = list(of_driver()) if platform == 'gpu' else []
  if not sizes:
    sizes = [size for d in devices if (size := _limit(d)) is not None]
  return round(min(sizes), 1) if sizes else None


def _limit(device: Device) -> float | None:
  """What JAX may use of a device's memory, in GiB."""
  try:
    size = (device.memory_stats() or {}).get('bytes_limit')
  except Exception:  # A device of another host, or a plugin that has none.
    return None
  return None if size is None else size / 2**30
