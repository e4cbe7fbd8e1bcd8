"""Real processes, really killed: `scripts/chaos` in small, on the toy."""

import contextlib
import os
import pathlib
import textwrap
from typing import Any

import pytest

from algoperf import supervisor
from tests import scripts
from tests.algoperf import style_steps, toy_worker

_ROOT = pathlib.Path(__file__).parents[2]
_BENCHMARK = textwrap.dedent("""\
  name = "toy"
  description = "one workload"
  stop_at = ["validation"]

  [scoring]
  study = "least_time"
  workload = "median"
  held_out = "both"
  max_ratio = 4.0
  integral = "exact"

  [rulesets.external]
  trials = 1
  studies = 1
  budget_factor = 1.0

  [rulesets.self]
  trials = 1
  studies = 1
  budget_factor = 1.5

  [workloads.toy]
  metric = "accuracy"
  comparison = ">="
  max_runtime = 1000
  eval_period = 1
  step_hint = 100
  batch_size = 16
  target_source = "none"
""")
_STEPS = 120  # More than are made before it is disturbed.


@contextlib.contextmanager
def toy_trials(folder: pathlib.Path, devices: int = 1, **settings: Any):
  """The undisturbed trial on the toy, and what disturbs others."""
  definition = folder / 'toy.toml'
  definition.write_text(_BENCHMARK)
  path = os.pathsep.join(
    filter(None, (str(_ROOT), os.environ.get('PYTHONPATH')))
  )
  flags = (
    f'--xla_force_host_platform_device_count={devices} '
    '--xla_backend_optimization_level=0'  # Compiles in less time.
  )
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(supervisor, 'WORKER', toy_worker.__name__)
    patch.setenv('PYTHONPATH', path)
    patch.setenv('XLA_FLAGS', flags)
    yield scripts.load('chaos').prepare(
      folder,
      'toy',
      steps=_STEPS,
      seed=0,
      data_dir='',
      benchmark=str(definition),
      **settings,
    )


@pytest.fixture(scope='module')
def chaos(tmp_path_factory):
  with toy_trials(tmp_path_factory.mktemp('chaos')) as prepared:
    yield prepared


@pytest.mark.long
def test_killed_again_and_again(chaos):
  line = chaos.kills(3)
  assert line.startswith('3 times SIGKILL')
  assert 'resumed 0 times' not in line


def test_terminated_within_seconds_and_without_loss(chaos):
  line = chaos.terms(1, within=0.0)  # It makes all its steps in seconds.
  assert '0 steps made again, resumed 1 times' in line


@pytest.mark.long
def test_the_newest_cut_short(chaos):
  assert 'is damaged' in chaos.truncated()


@pytest.mark.long
def test_a_stepped_wall_clock(chaos):
  assert 'counted' in chaos.clock_steps()


def test_a_disk_that_runs_full(chaos):
  line = chaos.full_disk()
  if 'skipped' in line:
    pytest.skip(line)
  assert 'the disk is full' in line


@pytest.mark.long
def test_one_with_an_axis_of_devices(tmp_path):
  submission = str(style_steps.STYLES / style_steps.PATHS['pmap_05'])
  with toy_trials(tmp_path, devices=2, submission=submission) as chaos:
    assert 'resumed 0 times' not in chaos.kills(2)
