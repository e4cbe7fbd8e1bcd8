"""Training over several devices and processes is that on one device."""

from collections.abc import Callable, Iterable, Sequence
import csv
import dataclasses
from importlib import resources
import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from algoperf import hosts, records, spec
from tests.algoperf import three_steps

_SECONDS = 600
_STEPS = ('-m', three_steps.__name__)


def _start(
  arguments: Sequence[str], devices: int, log: pathlib.Path
) -> subprocess.Popen[bytes]:
  """Python in a process of its own with so many simulated devices."""
  flags = (
    f'--xla_force_host_platform_device_count={devices}',
    '--xla_backend_optimization_level=0',  # Compiles in half the time.
  )
  with open(log, 'wb') as output:
    return subprocess.Popen(
      [sys.executable, *arguments],
      cwd=pathlib.Path(__file__).parents[2],
      env=os.environ | {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': ' '.join(flags)},
      stdout=output,
      stderr=subprocess.STDOUT,
    )


def _finish(
  processes: Sequence[subprocess.Popen[bytes]],
  folders: Iterable[pathlib.Path],
) -> None:
  """Waits for the processes; with what they printed if one of them failed."""
  try:
    statuses = [process.wait(_SECONDS) for process in processes]
  finally:
    for process in processes:
      process.kill()
  logs = [
    path.read_text() for folder in folders for path in folder.glob('*log')
  ]
  assert not any(statuses), '\n'.join(logs)[-3000:]


def _two_hosts() -> list[hosts.Hosts]:
  with socket.create_server(('127.0.0.1', 0)) as free:
    coordinator = f'127.0.0.1:{free.getsockname()[1]}'
  return [
    hosts.Hosts(coordinator=coordinator, processes=2, index=index)
    for index in range(2)
  ]


_Trained = Callable[[str, int], pathlib.Path]


@pytest.fixture(scope='module')
def trained(data_dir, tmp_path_factory) -> _Trained:
  """What three steps of a workload do on so many devices, as a file."""
  folders = {}

  def of(name: str, devices: int) -> pathlib.Path:
    if name not in folders:
      both = {n: tmp_path_factory.mktemp(f'{name}_{n}') for n in (1, 8)}
      processes = [
        _start([*_STEPS, data_dir, str(folder), name], n, folder / 'log')
        for n, folder in both.items()
      ]
      _finish(processes, both.values())
      folders[name] = both
    return folders[name][devices] / f'{name}.npz'

  return of


def _assert_same(found: pathlib.Path, expected: pathlib.Path) -> None:
  """To 1e-4 of the losses, of each statistic, and of the whole update.

  The update of a single array may differ by more: the optimizer divides
  gradients by their size, also those that are hardly more than round-off.
  """
  with np.load(found) as ours, np.load(expected) as theirs:
    assert set(ours) == set(theirs)
    differences, updates = [], []
    for path in set(theirs) - {'loss'}:
      difference = np.linalg.norm(ours[path] - theirs[path])
      size = np.linalg.norm(theirs[path])
      assert size > 0, path
      if path.startswith("['update']"):
        assert difference <= 3e-3 * size, path
        differences.append(difference)
        updates.append(size)
      else:
        assert difference <= 1e-4 * size, path
    assert np.linalg.norm(differences) <= 1e-4 * np.linalg.norm(updates)
    assert len(theirs['loss']) == three_steps.STEPS
    np.testing.assert_allclose(ours['loss'], theirs['loss'], rtol=1e-4)


_LONG = pytest.mark.long


@pytest.mark.parametrize(
  'name',
  [
    'mnist_resnet',
    pytest.param('numerals_wmt', marks=_LONG),
    'shakespeare_lm',
  ],
)
def test_eight_devices_train_as_one(name, trained):
  _assert_same(trained(name, 8), trained(name, 1))


@pytest.mark.parametrize(
  'name',
  [
    pytest.param('mnist_resnet', marks=_LONG),
    pytest.param('numerals_wmt', marks=_LONG),
    'shakespeare_lm',
  ],
)
def test_two_processes_train_as_one(name, data_dir, trained, tmp_path):
  processes = []
  for index, host in enumerate(_two_hosts()):
    settings = json.dumps(dataclasses.asdict(host))
    arguments = [*_STEPS, data_dir, str(tmp_path), name, settings]
    processes.append(_start(arguments, 2, tmp_path / f'{index}_log'))
  _finish(processes, [tmp_path])
  _assert_same(tmp_path / f'{name}.npz', trained(name, 1))


def _run(
  name: str, directory: pathlib.Path, data_dir: str, devices: int, *flags: str
) -> subprocess.Popen[bytes]:
  """`algoperf run` of three steps, however long they take."""
  directory.mkdir()
  benchmark = directory / 'mini.toml'
  mini = resources.files('algoperf').joinpath('benchmarks/mini.toml')
  slow = re.sub(
    r'(max_runtime|eval_period) = \d+', r'\1 = 3000', mini.read_text()
  )
  benchmark.write_text(slow)
  code = 'from algoperf import cli; cli.entry()'
  return _start(
    ['-c', code, 'run', f'--workload={name}', '--submission=nadamw']
    + ['--max_steps=3', '--seed=7', f'--data_dir={data_dir}']
    + [f'--benchmark={benchmark}']
    + [f'--experiment_dir={directory}', *flags],
    devices,
    directory / 'log',
  )


def _evaluations(directory: pathlib.Path) -> list[dict[str, str]]:
  with open(directory / records.EVALUATIONS_FILE, newline='') as file:
    return list(csv.DictReader(file))


@pytest.mark.long
@pytest.mark.parametrize(
  'name', ['mnist_resnet', 'numerals_wmt', 'shakespeare_lm']
)
def test_the_command_on_two_hosts_does_what_it_does_on_one(
  name, data_dir, tmp_path
):
  folders = [tmp_path / 'alone', tmp_path / 'first', tmp_path / 'second']
  _finish([_run(name, folders[0], data_dir, 1)], folders[:1])
  with socket.create_server(('127.0.0.1', 0)) as free:
    coordinator = f'127.0.0.1:{free.getsockname()[1]}'
  together = [
    _run(
      name,
      folder,
      data_dir,
      2,
      f'--coordinator={coordinator}',
      '--num_processes=2',
      f'--process_index={index}',
      *([] if index == 0 else ['--seed=8']),  # That of the first counts.
    )
    for index, folder in enumerate(folders[1:])
  ]
  _finish(together, folders[1:])
  trial = f'nadamw/study_1/{name}_jax/trial_1'
  rows = _evaluations(folders[1] / trial)
  assert [row['global_step'] for row in rows] == ['1', '3']
  # Also the times: the second process has the clock of the first.
  assert _evaluations(folders[2] / trial / 'host_1') == rows
  for row, expected in zip(rows, _evaluations(folders[0] / trial), strict=True):
    for key in expected:
      if '/' in key:  # A metric.
        # After three steps, each of which is the same to 1e-4.
        assert float(row[key]) == pytest.approx(
          float(expected[key]), rel=2e-3, abs=1e-2 if 'bleu' in key else 1e-4
        ), key
  content = records.read_trial(folders[1] / trial)
  assert content['status'] == 'max_steps'
  assert content['hardware']['processes'] == 2
  assert content['hardware']['devices'] == 4


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'coordinator': 'here'}, 'address:port'),
    ({'coordinator': 'here:http'}, 'address:port'),
    ({'index': 2}, 'between 0 and 1'),
    ({'index': -1}, 'between 0 and 1'),
  ],
)
def test_impossible_settings_are_refused(change, message):
  settings = {'coordinator': '10.0.0.1:7000', 'processes': 2, 'index': 0}
  with pytest.raises(spec.UsageError, match=message):
    hosts.Hosts(**(settings | change))
