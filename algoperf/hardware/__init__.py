"""What machine is this, and what runs on it.

`profiles` says which pinned machine it is meant to be (the TOML files here),
`calibration` how fast it is.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import shutil
from typing import Any

import psutil

from algoperf.hardware import devices

_PACKAGES = (
  'algoperf-harness',
  'jax',
  'jaxlib',
  'flax',
  'optax',
  'numpy',
  'grain',
  'tensorflow-datasets',
  'sentencepiece',
  'sacrebleu',
)


def versions() -> dict[str, str]:
  """Python's version and those of the packages that numbers depend on."""
  found = {'python': platform.python_version()}
  for package in _PACKAGES:
    try:
      found[package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      found[package] = 'missing'
  return found


def source_digest(package: str) -> str:
  """SHA-256 of the Python files of an installed package."""
  found = importlib.util.find_spec(package)
  folder = pathlib.Path(found.submodule_search_locations[0])
  digest = hashlib.sha256()
  for path in sorted(folder.rglob('*.py')):
    content = path.read_bytes()
    name = path.relative_to(folder).as_posix()
    digest.update(f'{name}\0{len(content)}\0'.encode() + content)
  return digest.hexdigest()


def cores() -> int:
  """Processors that this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _cpu_model() -> str:
  try:
    with open('/proc/cpuinfo', encoding='utf-8') as file:
      for line in file:
        if line.startswith('model name'):
          return line.partition(':')[2].strip()
  except OSError:
    return platform.processor() or platform.machine()
  return platform.processor() or platform.machine()


def host() -> dict[str, Any]:
  """The machine without its accelerators: sizes in GiB."""
  return {
    'system': f'{platform.system()} {platform.release()}',
    'cpu': _cpu_model(),
    'cores': cores(),
    'memory_gib': round(psutil.virtual_memory().total / 2**30, 1),
  }


def free_disk_gib(path: str) -> float:
  """Free space on the disk that holds the path, in GiB."""
  return shutil.disk_usage(path).free / 2**30


def fingerprint() -> dict[str, Any]:
  """The machine, the devices that JAX uses, and at what precision."""
  import jax  # Starting the devices takes seconds.

  return (
    host()
    | devices.describe(jax.devices())
    | {
      'processes': jax.process_count(),
      'precision': jax.config.jax_default_matmul_precision,
    }
  )
