"""Is this machine ready, and if not, what to do about it."""

from collections.abc import Iterator
import dataclasses
import os
import pathlib
import sys

from algoperf import hardware, spec
from algoperf.hardware import profiles

_DISK_GIB = 2.0  # The environment, the small data sets and their logs.
_MEMORY_GIB = 3.0  # A small workload at evaluation, with room.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
  """One thing looked at; `advice` is empty if nothing is wrong with it."""

  what: str
  found: str
  advice: str = ''


def examine(data_dir: str, workloads: tuple[str, ...]) -> Iterator[Finding]:
  """Looks at versions, devices, memory, disk and data, one after the other."""
  yield from _versions()
  yield _devices()
  yield _memory()
  yield _disk(data_dir)
  yield _compilation_cache()
  for name in workloads:
    yield _data(name, data_dir)


def _versions() -> Iterator[Finding]:
  versions = hardware.versions()
  found = versions.pop('python')
  supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
  yield Finding(
    what='python',
    found=found,
    advice='' if supported else 'use Python 3.11, 3.12 or 3.13.',
  )
  for package, version in versions.items():
    missing = version == 'missing'
    advice = 'run scripts/quickstart, or pip install -e . again.'
    yield Finding(what=package, found=version, advice=advice if missing else '')


def _devices() -> Finding:
  try:
    found = hardware.fingerprint()
  except Exception as error:  # Drivers fail in many ways.
    text = str(error).strip().partition('\n')[0]
    return Finding(
      what='devices',
      found=f'JAX finds none: {text}',
      advice='check the driver, or set JAX_PLATFORMS=cpu.',
    )
  return Finding(
    what='devices',
    found=f'{found["devices"]} × {found["device"]} ({found["platform"]}); '
    f'{found["cpu"]}, {found["cores"]} cores; hardware profile: '
    f'{", ".join(profiles.matching(found)) or "none"}',
  )


def _memory() -> Finding:
  size = hardware.host()['memory_gib']
  small = size < _MEMORY_GIB
  return Finding(
    what='memory',
    found=f'{size} GiB',
    advice=f'small workloads need {_MEMORY_GIB:g} GiB.' if small else '',
  )


def _disk(data_dir: str) -> Finding:
  existing = pathlib.Path(data_dir)
  while not existing.exists():
    existing = existing.parent
  free = hardware.free_disk_gib(str(existing))
  writable = os.access(existing, os.W_OK)
  advice = ''
  if not writable:
    advice = 'not writable: choose another --data_dir.'
  elif free < _DISK_GIB:
    advice = f'free {_DISK_GIB:g} GiB, or choose another --data_dir.'
  return Finding(
    what='disk', found=f'{free:.0f} GiB free at {data_dir}', advice=advice
  )


def _compilation_cache() -> Finding:
  import jax

  cache = jax.config.jax_compilation_cache_dir
  return Finding(
    what='compilation cache',
    found=f'{cache}, not used by trials' if cache else 'off',
  )


def _data(name: str, data_dir: str) -> Finding:
  from workloads import registry

  try:
    registry.get(name).check_data(data_dir)
  except spec.UsageError as error:
    return Finding(what=f'data of {name}', found='missing', advice=str(error))
  return Finding(what=f'data of {name}', found='present', advice='')
