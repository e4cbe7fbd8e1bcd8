"""Pinned hardware: profiles, what a machine is found to be, how fast it is."""

from collections.abc import Sequence
import dataclasses
import io
import json
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

from algoperf import cli, hardware, spec
from algoperf.hardware import calibration, devices, profiles


@dataclasses.dataclass
class Device:
  """A device that is not there."""

  platform: str
  device_kind: str
  limit: int | None = None

  def memory_stats(self) -> dict[str, int] | None:
    if self.limit is None:
      raise RuntimeError('of another host')
    return {'bytes_limit': self.limit}


H200 = Device('gpu', 'NVIDIA H200')
A100 = Device('gpu', 'NVIDIA A100-SXM4-40GB')
V100 = Device('gpu', 'Tesla V100-SXM2-16GB')
TPU = Device('tpu', 'TPU v4', 31 * 2**30)
CPU = Device('cpu', 'cpu')


def found(
  some: Sequence[Device], gib: Sequence[float] = ()
) -> dict[str, object]:
  return devices.describe(some, lambda: gib)


# What machines say of themselves: each one's profile, and no other.
MACHINES = {
  'cpu': found([CPU]),
  '1xh200': found([H200], [143771 / 1024]),
  '4xa100-40gb': found([A100] * 4, [40960 / 1024] * 4),
  '8xv100-16gb': found([V100] * 8, [16160 / 1024] * 8),
  'tpu-v4-8': found([TPU] * 4),
}


def test_every_profile_has_a_machine_and_matches_no_other():
  assert profiles.available() == sorted(MACHINES)
  for name, machine in MACHINES.items():
    assert profiles.matching(machine) == [name]


@pytest.mark.parametrize(
  ('name', 'machine', 'differences'),
  [
    (
      '1xh200',
      found([A100], [40]),
      [
        'kind: wanted NVIDIA H200, found NVIDIA A100-SXM4-40GB',
        'memory_gib: wanted 140.4, found 40',
      ],
    ),
    ('4xa100-40gb', found([A100], [40]), ['count: wanted 4, found 1']),
    (
      '4xa100-40gb',
      found([A100, A100, A100, H200], [40, 40, 40, 140]),
      [
        'kind: wanted NVIDIA A100-SXM4-40GB, '
        'found NVIDIA A100-SXM4-40GB + NVIDIA H200'
      ],
    ),
    ('1xh200', found([H200], [70.0]), ['memory_gib: wanted 140.4, found 70.0']),
    ('1xh200', found([H200]), ['memory_gib: wanted 140.4, found unknown']),
    (
      'tpu-v4-8',
      found([CPU]),
      [
        'platform: wanted tpu, found cpu',
        'kind: wanted TPU v4, found cpu',
        'count: wanted 4, found 1',
        'memory_gib: wanted 32.0, found unknown',
      ],
    ),
  ],
)
def test_another_machine_is_refused_field_by_field(name, machine, differences):
  with pytest.raises(spec.UsageError) as error:
    profiles.load(name).check(machine)
  assert '; '.join(differences) in str(error.value)
  assert str(error.value).count('wanted') == len(differences)
  assert '\n' not in str(error.value)


def test_the_smallest_memory_counts():
  assert found([H200] * 2, [140, 70])['device_memory_gib'] == 70
  assert found([TPU, Device('tpu', 'TPU v4', 2**33)])['device_memory_gib'] == 8
  assert found([Device('tpu', 'TPU v4')])['device_memory_gib'] is None
  assert found([Device('gpu', 'x', 2**34)])['device_memory_gib'] == 16
  assert found([CPU], [40])['device_memory_gib'] is None


def test_the_driver_is_asked(monkeypatch):
  def run(command, **_):
    assert command[0] == 'nvidia-smi'
    return subprocess.CompletedProcess(command, 0, stdout=b'40960\n81920\n')

  monkeypatch.setattr(subprocess, 'run', run)
  devices._of_driver.cache_clear()
  assert devices.describe([A100])['device_memory_gib'] == 40

  def missing(command, **_):
    raise FileNotFoundError(command[0])

  monkeypatch.setattr(subprocess, 'run', missing)
  devices._of_driver.cache_clear()
  assert devices.describe([A100])['device_memory_gib'] is None
  devices._of_driver.cache_clear()


GOOD = """
description = "two of something"

[accelerators]
platform = "gpu"
count = 2

[settings]
matmul_precision = "float32"
xla_flags = ["--xla_gpu_autotune_level=4", "--xla_gpu_deterministic_ops=true"]
"""


def test_a_profile_is_read():
  profile = profiles.parse('mine', GOOD)
  assert (profile.count, profile.kind, profile.memory_gib) == (2, None, None)
  assert profile.matmul_precision == 'float32'
  assert profile.xla_flags[0] == '--xla_gpu_autotune_level=4'
  assert profile.differences(found([A100] * 2)) == []


@pytest.mark.parametrize(
  ('old', 'new', 'expected'),
  [
    ('"gpu"', '"fpga"', 'mine.toml:5: accelerators.platform'),
    ('count = 2', 'count = 0', 'mine.toml:6: accelerators.count'),
    ('count = 2', 'cuont = 2', 'unknown key; did you mean count?'),
    ('count = 2', '', 'accelerators.count: this key is missing'),
    ('"float32"', '"float64"', 'mine.toml:9: settings.matmul_precision'),
    ('"--xla_gpu_autotune_level=4"', '"-O3"', 'a list of texts --xla_NAME'),
    ('[settings]', '[sets]', 'unknown key'),
    ('"two', 'two', 'not valid TOML'),
    ('count = 2', 'count = 2\nmemory_gib = -1', 'a finite number above 0'),
  ],
)
def test_a_wrong_profile_is_named_with_its_line(old, new, expected):
  with pytest.raises(spec.UsageError) as error:
    profiles.parse('mine', GOOD.replace(old, new, 1))
  assert expected in str(error.value)


def test_flags_are_those_of_the_profile_or_of_the_environment(monkeypatch):
  pinned = profiles.parse('mine', GOOD)
  monkeypatch.setattr(profiles, 'load', lambda name: pinned)
  both = ' '.join(pinned.xla_flags)
  assert profiles.xla_flags('mine', '') == both
  assert profiles.xla_flags('mine', ' '.join(pinned.xla_flags[::-1])) == both
  with pytest.raises(spec.UsageError, match='found --xla_other=1'):
    profiles.xla_flags('mine', '--xla_other=1')
  assert profiles.xla_flags('auto', ' --xla_other=1  --b ') == (
    '--xla_other=1 --b'
  )
  assert profiles.xla_flags('auto', ' ') is None


_PREPARED = """
import dataclasses, json, jax
from algoperf.hardware import profiles
pinned = profiles.parse('mine', {text!r})
profiles.load = lambda name: pinned
machine = profiles.prepare('mine', ' '.join(pinned.xla_flags))
print(json.dumps([machine, jax.config.jax_default_matmul_precision]))
"""


def test_settings_are_applied_before_the_devices_start():
  text = GOOD.replace('"gpu"', '"cpu"').replace('"float32"', '"bfloat16"')
  flag = '--xla_force_host_platform_device_count=2'
  text = text.replace('--xla_gpu_autotune_level=4', flag)
  output = subprocess.run(
    [sys.executable, '-c', _PREPARED.format(text=text)],
    capture_output=True,
    check=True,
  ).stdout
  machine, precision = json.loads(output)
  assert machine['devices'] == 2
  assert machine['precision'] == precision == 'bfloat16'


def test_unknown_and_unfit_hardware_is_refused_in_one_line(
  tmp_path, data_dir, capsys, monkeypatch
):
  run = [
    *('run', '--workload=mnist_resnet', '--submission=nadamw'),
    *(f'--experiment_dir={tmp_path}/out', f'--data_dir={data_dir}'),
  ]
  for hardware_flag, expected in (
    ('1xh20', 'did you mean 1xh200?'),
    ('1xh200', 'platform: wanted gpu, found cpu'),
  ):
    assert cli.main([*run, f'--hardware={hardware_flag}']) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count('\n') == 1
    assert not (tmp_path / 'out').exists()
  monkeypatch.setenv('XLA_FLAGS', '--xla_foo=1')
  assert cli.main([*run, '--hardware=cpu']) == 2
  assert 'XLA_FLAGS' in capsys.readouterr().err


def test_calibration_measures_what_it_says():
  class Clock:
    """Every reading is a second after the one before."""

    reading = 0.0

    def __call__(self) -> float:
      self.reading += 1.0
      return self.reading

  clock = Clock()
  speeds = calibration.run(clock)
  assert speeds['matmul_gflops'] == pytest.approx(2 * 1024**3 / 1e9, rel=1e-3)
  assert speeds['copy_gib_per_s'] == pytest.approx(2 * 64 / 1024, rel=1e-3)
  assert speeds['jpeg_per_s'] == 5
  assert speeds['seconds'] == clock.reading - 1


def test_the_image_is_always_the_same_and_like_a_photograph():
  content = calibration._image()
  assert content == calibration._image()
  pixels = np.asarray(Image.open(io.BytesIO(content)))
  assert pixels.shape == (375, 500, 3)
  assert 20 < pixels.std() < 90
  assert 30_000 < len(content) < 300_000


def test_the_fingerprint_has_all_that_profiles_ask_for():
  machine = hardware.fingerprint()
  assert {'platform', 'device', 'devices', 'device_memory_gib'} <= set(machine)
  assert profiles.matching(machine) == ['cpu']
