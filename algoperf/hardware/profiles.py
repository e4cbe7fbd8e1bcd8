"""Pinned hardware: what a machine must be, and how JAX is set up on it.

A profile is one TOML file beside this one:

  description = "…"
  [accelerators]
  platform = "cpu", "gpu" or "tpu"
  kind = what JAX calls the devices; may be left out
  count = how many, over all hosts
  memory_gib = of each, to a tenth of it; may be left out
  [settings]                         may be left out
  matmul_precision = jax_default_matmul_precision; else the benchmark's
  xla_flags = ["--xla_…=…"]          these and no others

A profile decides what it names, whatever the benchmark or environment say.
"""

from collections.abc import Mapping
import dataclasses
from importlib import resources
import os
import re
from typing import Any

from algoperf import benchmark, checked_toml, hardware, spec

AUTO = 'auto'  # Not a profile: whatever the machine is.
_MEMORY_TOLERANCE = 0.1  # Drivers keep some, and count in different units.
_PLATFORMS = ('cpu', 'gpu', 'tpu')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
  """A kind of machine, and settings that belong to it.

  Attributes:
    name: of its file.
    description: one line.
    platform: 'cpu', 'gpu' or 'tpu'.
    kind: what JAX calls the devices, or None for any.
    count: devices over all hosts.
    memory_gib: of each device, or None for any.
    matmul_precision: jax_default_matmul_precision; None: the benchmark's.
    xla_flags: the only ones.
  """

  name: str
  description: str
  platform: str
  kind: str | None
  count: int
  memory_gib: float | None
  matmul_precision: str | None
  xla_flags: tuple[str, ...]

  def differences(self, machine: Mapping[str, Any]) -> list[str]:
    """Each field in which a machine is another, wanted and found.

    Args:
      machine: as `hardware.fingerprint` gives it.
    """
    found = [
      (name, wanted, machine.get(key))
      for name, wanted, key in (
        ('platform', self.platform, 'platform'),
        ('kind', self.kind, 'device'),
        ('count', self.count, 'devices'),
      )
      if wanted is not None and wanted != machine.get(key)
    ]
    memory = machine.get('device_memory_gib')
    if self.memory_gib is not None and (
      memory is None
      or abs(memory - self.memory_gib) > _MEMORY_TOLERANCE * self.memory_gib
    ):
      found.append(('memory_gib', self.memory_gib, memory))
    return [
      f'{name}: wanted {wanted}, found {"unknown" if there is None else there}'
      for name, wanted, there in found
    ]

  def check(self, machine: Mapping[str, Any]) -> None:
    """Refuses a machine that does not match.

    Raises:
      UsageError: names each field that differs.
    """
    if differences := self.differences(machine):
      raise spec.UsageError(
        f'this machine is not {self.name!r} ({self.description}): '
        f'{"; ".join(differences)}. Choose another --hardware, or auto'
      )


def available() -> list[str]:
  """Names of the profiles."""
  files = resources.files('algoperf.hardware').iterdir()
  return sorted(
    f.name.removesuffix('.toml') for f in files if f.name.endswith('.toml')
  )


def load(name: str) -> Profile:
  """The profile of a name.

  Raises:
    UsageError: there is none; names the nearest.
  """
  if name not in available():
    hint = checked_toml.suggest(name, [AUTO, *available()])
    raise spec.UsageError(f'no hardware profile {name!r}: {hint}')
  path = resources.files('algoperf.hardware').joinpath(f'{name}.toml')
  return parse(name, path.read_text(encoding='utf-8'))


def matching(machine: Mapping[str, Any]) -> list[str]:
  """Names of the profiles that a machine (`hardware.fingerprint`) matches."""
  return [name for name in available() if not load(name).differences(machine)]


def parse(name: str, text: str) -> Profile:
  """A profile from the text of its file.

  Raises:
    UsageError: the first thing wrong in it, with its line.
  """
  file = checked_toml.File(text, f'{name}.toml')
  top = file.read(
    file.content,
    '',
    required={'description': checked_toml.text, 'accelerators': _any},
    optional={'settings': _any},
  )
  wanted = file.read(
    top['accelerators'],
    'accelerators',
    required={
      'platform': checked_toml.one_of(*_PLATFORMS),
      'count': checked_toml.count,
    },
    optional={
      'kind': checked_toml.text,
      'memory_gib': checked_toml.above(0),
    },
  )
  settings = file.read(
    top.get('settings', {}),
    'settings',
    required={},
    optional={
      'matmul_precision': checked_toml.one_of(*benchmark.PRECISIONS),
      'xla_flags': _flags,
    },
  )
  return Profile(
    name=name,
    description=top['description'],
    platform=wanted['platform'],
    kind=wanted.get('kind'),
    count=wanted['count'],
    memory_gib=wanted.get('memory_gib'),
    matmul_precision=settings.get('matmul_precision'),
    xla_flags=settings.get('xla_flags', ()),
  )


def xla_flags(name: str, environment: str) -> str | None:
  """The XLA flags that trials run with, None if there are none.

  Args:
    name: of a profile, or 'auto'.
    environment: the flags that the environment sets.

  Raises:
    UsageError: the profile wants others than the environment sets.
  """
  given = ' '.join(environment.split())
  if name == AUTO:
    return given or None
  wanted = load(name).xla_flags
  if given and sorted(given.split()) != sorted(wanted):
    raise spec.UsageError(
      f'XLA_FLAGS: {name!r} wants {" ".join(wanted) or "none"}, found {given}. '
      'Unset it, or choose --hardware=auto'
    )
  return ' '.join(wanted) or None


def prepare(name: str | None, flags: str | None) -> dict[str, Any]:
  """Sets JAX up in this process, before it has started its devices.

  Args:
    name: of a profile; None: nothing is set.
    flags: of XLA, as `xla_flags` gives them.

  Returns:
    The machine (`hardware.fingerprint`).

  Raises:
    UsageError: it does not match the profile.
  """
  import jax

  if name is None:
    return hardware.fingerprint()
  profile = load(name)
  os.putenv('XLA_FLAGS', flags or '')  # XLA's own code reads it.
  if profile.matmul_precision is not None:
    precision = profile.matmul_precision
    jax.config.update('jax_default_matmul_precision', precision)
  machine = hardware.fingerprint()
  profile.check(machine)
  return machine


def _any(value: Any) -> Any:
  return value


def _flags(value: Any) -> tuple[str, ...]:
  items = value if isinstance(value, list) else [None]
  for item in items:
    if not isinstance(item, str) or not re.fullmatch(r'--xla_\w+=[^\s]+', item):
      raise ValueError('a list of texts --xla_NAME=VALUE')
  return tuple(items)
