"""Machines of one kind that were not equally fast."""

import json
import pathlib
from typing import Any

import pytest

import scoring
from scoring import calibrations, logs, trial_files
from tests.scoring import logs_on_disk

CPU = {'platform': 'cpu', 'cpu': 'Some CPU', 'cores': 2}
GPU = {'platform': 'gpu', 'device': 'NVIDIA H200', 'devices': 1}
SPEEDS = {'matmul_gflops': 30.0, 'copy_gib_per_s': 5.0, 'jpeg_per_s': 200.0}


def notices(
  root: pathlib.Path, *trials: tuple[dict[str, Any], Any]
) -> list[tuple[str, str]]:
  """Path and message of each, for trials on such hardware, so calibrated."""
  for study, (hardware, calibration) in enumerate(trials, start=1):
    directory = logs_on_disk.write_trial(
      root,
      workload='shakespeare_lm',
      study=study,
      evaluations=[(10.0 + study, 1.0)],
    )
    content = {'hardware': hardware, 'calibration': calibration}
    (directory / 'trial.json').write_text(json.dumps(content))
  result = scoring.score(
    root,
    'mini',
    ruleset='self',
    workloads=['shakespeare_lm'],
    allow=['hardware'],
    resamples=1,
  )
  some = result.warnings[result.warnings['kind'] == 'uneven machines']
  return list(zip(some['path'], some['message'], strict=True))


def test_a_slow_machine_shows(tmp_path: pathlib.Path):
  slow = SPEEDS | {'copy_gib_per_s': 2.5}
  ((path, message),) = notices(
    tmp_path, (CPU, SPEEDS), (CPU, slow), (CPU, SPEEDS)
  )
  study = 'sgd/study_{}/shakespeare_lm_jax/trial_1'
  assert path == str(tmp_path / study.format(2))
  assert message == (
    f'copies at 2.5 GiB/s, 5 in {tmp_path}/{study.format(1)}, '
    'both on cpu: Some CPU, 2 cores'
  )


@pytest.mark.parametrize(
  ('factor', 'number'),
  [(calibrations.FACTOR, 0), (1.02 * calibrations.FACTOR, 3)],
)
def test_the_factor_is_as_stated(
  tmp_path: pathlib.Path, factor: float, number: int
):
  fast = {name: value * factor for name, value in SPEEDS.items()}
  assert len(notices(tmp_path, (CPU, SPEEDS), (CPU, fast))) == number


def test_other_hardware_may_be_faster(tmp_path: pathlib.Path):
  fast = {name: value * 100 for name, value in SPEEDS.items()}
  assert notices(tmp_path, (CPU, SPEEDS), (GPU, fast)) == []


@pytest.mark.parametrize(
  'calibration',
  [
    None,
    'fast',
    [1.0],
    {},
    {'matmul_gflops': None},
    {'matmul_gflops': True, 'jpeg_per_s': 0, 'copy_gib_per_s': -5.0},
    {'matmul_gflops': float('nan'), 'jpeg_per_s': float('inf')},
    {'matmul_gflops': 10**400},
  ],
)
def test_what_is_no_speed_is_none(calibration: Any):
  where = trial_files.Trial(
    path='a', submission='a', workload='lm', study=1, trial=1, framework='jax'
  )
  records = [
    logs.Record(where=where, calibration=found)
    for found in (calibration, SPEEDS)
  ]
  assert list(calibrations.differing(records)) == []


def test_strictly_it_refuses_nothing(tmp_path: pathlib.Path):
  slow = {name: value / 9 for name, value in SPEEDS.items()}
  trials = [(CPU, SPEEDS), (CPU, slow), (CPU, SPEEDS)]
  assert len(notices(tmp_path, *trials)) == 3
  scoring.score(
    tmp_path, 'mini', ruleset='self', workloads=['shakespeare_lm'], strict=True
  )
