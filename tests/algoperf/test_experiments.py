"""Whole experiments, each trial in a process of its own, on mnist_resnet."""

import csv
import json
import pathlib

import pytest

from algoperf import benchmark as benchmark_lib
from algoperf import (
  cli,
  experiment,
  ledger,
  records,
  sources,
  study,
  supervisor,
)
from algoperf import plan as plan_lib

_SGD = """
import optax

def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)
"""
_RAISES = """
def optimizer(hyperparameters, step_hint):
  raise ValueError('cannot\\ngo on')
"""
_EXITS = """
import os

def optimizer(hyperparameters, step_hint):
  os._exit(7)
"""
_HANGS = """
import threading
import optax

def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)

def data_selection(*args):
  threading.Event().wait()
"""
_ODD_BATCH = (
  _SGD
  + """
def get_batch_size(workload_name):
  return 9
"""
)


@pytest.fixture
def write(tmp_path):
  def write_submission(name: str, text: str) -> str:
    path = tmp_path / f'{name}.py'
    path.write_text(text)
    return str(path)

  return write_submission


@pytest.fixture
def call(tmp_path, data_dir):
  def call_cli(*arguments: str) -> int:
    return cli.main(
      [
        *arguments,
        f'--experiment_dir={tmp_path}/out',
        f'--data_dir={data_dir}',
        '--max_steps=3',
        '--seed=0',
      ]
    )

  return call_cli


def _trial(tmp_path, submission: str) -> pathlib.Path:
  return records.trial_directory(
    tmp_path / 'out' / submission, 1, 'mnist_resnet', 1
  )


def test_a_five_line_file_runs_by_path_and_only_once(
  write, call, tmp_path, capsys
):
  sgd = write('sgd', _SGD)
  run = ('run', '--workload=mnist_resnet', f'--submission={sgd}')
  run += ('--hardware=cpu',)
  assert call(*run) == 0
  directory = _trial(tmp_path, 'sgd')
  content = records.read_trial(directory)
  assert content['status'] == 'max_steps'
  assert content['steps'] == 3
  assert content['evaluations'] == 2
  _check_accounting(content)
  _check_files(directory, content)
  _check_machine(content)
  _check_ledger(tmp_path / 'out' / 'sgd', content)

  before = (directory / records.TRIAL_FILE).stat().st_mtime_ns
  assert call(*run) == 0
  assert 'done before' in capsys.readouterr().out
  assert (directory / records.TRIAL_FILE).stat().st_mtime_ns == before

  write('sgd', _SGD.replace('0.1', '0.2'))
  assert call(*run) == 2
  assert 'submission_digest' in capsys.readouterr().err


def _check_accounting(content):
  time = content['time']
  timed = sum(time[part] for part in ('compile', 'data', 'update', 'prepare'))
  assert timed == pytest.approx(time['timed'])
  untimed = sum(
    time[part] for part in ('evaluation', 'logging', 'checkpointing', 'other')
  )
  assert timed + untimed == pytest.approx(time['wall'], rel=0.01)
  if not content['preemptions']:
    wall = content['supervisor']['wall']
    assert wall == pytest.approx(time['wall'], rel=0.01)
  assert content['supervisor']['agrees_with_child']
  assert time['compile'] > 0
  assert time['evaluation'] > 0


def _check_files(directory, content):
  with open(directory / records.EVALUATIONS_FILE, newline='') as file:
    rows = list(csv.DictReader(file))
  assert [row['global_step'] for row in rows] == ['1', '3']
  assert list(rows[0]) == sorted(rows[0])
  for row in rows:
    assert row['score'] == row['accumulated_submission_time']
    assert 0 <= float(row['validation/accuracy']) <= 1
  meta_data = json.loads((directory / 'meta_data_0.json').read_text())
  assert meta_data['workload.num_train_examples'] == 3000
  assert meta_data['rng_seed'] == content['seed']
  assert meta_data['workload.compute_dtype'] == 'float32'
  assert meta_data['precision'] == 'float32'
  assert content['versions']['jax'] != 'missing'
  assert (directory / records.LOG_FILE).exists()


def _check_machine(content):
  assert content['hardware_profile'] == 'cpu'
  assert content['xla_flags'] is None
  assert content['hardware']['platform'] == 'cpu'
  assert content['calibration']['matmul_gflops'] > 0
  # Outside of the submission's clock.
  assert content['time']['other'] > content['calibration']['seconds']


def _check_ledger(experiment, content):
  chain = ledger.parse((experiment / ledger.FILE).read_bytes())
  assert chain.faults == ()
  (attempt,) = chain.attempts()
  assert attempt.place == ('mnist_resnet', 1, 1)
  assert attempt.status == content['status']
  assert attempt.started.content['seed'] == content['seed']
  assert content['ledger'] == attempt.started.digest
  directory = records.trial_directory(experiment, 1, 'mnist_resnet', 1)
  assert attempt.ended.content['files'] == ledger.digests(directory)


def test_failures_end_one_trial_and_the_others_go_on(
  write, call, tmp_path, capsys
):
  submissions = ','.join(
    write(name, text)
    for name, text in (('raises', _RAISES), ('exits', _EXITS), ('sgd', _SGD))
  )
  status = call(
    'bench',
    f'--submissions={submissions}',
    '--workloads=mnist_resnet',
    '--num_studies=1',
    '--num_tuning_trials=1',
  )
  assert status == 1
  raised = records.read_trial(_trial(tmp_path, 'raises'))
  assert raised['status'] == 'failed'
  assert raised['message'] == 'ValueError: cannot'
  traceback = _trial(tmp_path, 'raises') / records.TRACEBACK_FILE
  assert 'raises.py' in traceback.read_text()
  exited = records.read_trial(_trial(tmp_path, 'exits'))
  assert exited['status'] == 'failed'
  assert 'status 7' in exited['message']
  assert records.read_trial(_trial(tmp_path, 'sgd'))['status'] == 'max_steps'
  output = capsys.readouterr()
  assert 'Traceback' not in output.out + output.err
  lines = [line for line in output.out.splitlines() if 'failed' in line]
  assert len(lines) == 2


def test_a_batch_that_devices_cannot_share_is_refused(
  write, call, tmp_path, capsys, monkeypatch
):
  monkeypatch.setenv('XLA_FLAGS', '--xla_force_host_platform_device_count=2')
  odd = write('odd', _ODD_BATCH)
  assert call('run', '--workload=mnist_resnet', f'--submission={odd}') == 2
  error = capsys.readouterr().err
  assert '9' in error and '2 devices' in error
  assert error.count('\n') == 1
  assert not (tmp_path / 'out').exists()


def _plan(tmp_path, data_dir, path: str, **changes) -> plan_lib.Plan:
  values = {
    'benchmark': benchmark_lib.load('mini'),
    'benchmark_path': 'mini',
    'source': sources.locate(path),
    'workloads': ('mnist_resnet',),
    'ruleset': 'external',
    'search_space': None,
    'trials': 1,
    'studies': 1,
    'seed': 0,
    'max_steps': 4,
    'data_dir': data_dir,
    'directory': tmp_path / 'out',
  }
  return plan_lib.Plan(**(values | changes))


def test_an_update_that_never_returns_is_ended(tmp_path, data_dir, write):
  (trial,) = _plan(tmp_path, data_dir, write('hangs', _HANGS)).specs()
  outcome = supervisor.run(trial, 1.0, lambda event: None, grace=1.0)
  assert outcome.status == 'timed_out'
  content = records.read_trial(pathlib.Path(trial.directory))
  assert content['status'] == 'timed_out'


class Observer:
  """Interrupts the first trial at its first evaluation, as Ctrl-C does."""

  def __init__(self):
    self.interrupted = False
    self.skips = []

  def skipped(self, trial, status):
    self.skips.append(status)

  def started(self, trial, plan):
    pass

  def progressed(self, event):
    if 'results' in event and not self.interrupted:
      self.interrupted = True
      raise KeyboardInterrupt

  def ended(self, trial, outcome):
    pass


def test_an_interrupted_trial_is_readable_and_goes_on(
  tmp_path, data_dir, write
):
  plan = _plan(tmp_path, data_dir, write('sgd', _SGD), max_steps=30)
  observer = Observer()
  with pytest.raises(KeyboardInterrupt):
    study.run([plan], observer)
  directory = records.trial_directory(plan.directory, 1, 'mnist_resnet', 1)
  content = records.read_trial(directory)
  assert content['status'] == 'interrupted'
  with open(directory / records.EVALUATIONS_FILE, newline='') as file:
    assert len(list(csv.DictReader(file))) >= 1
  assert study.run([plan], observer) == ['max_steps']
  content = records.read_trial(directory)
  (preemption,) = content['preemptions']
  assert 1 <= preemption['step'] < 30
  assert preemption['lost'] == {'steps': 0, 'seconds': 0.0}
  _check_accounting(content)
  with open(directory / records.EVALUATIONS_FILE, newline='') as file:
    rows = list(csv.DictReader(file))
  steps = [int(row['global_step']) for row in rows]
  assert (steps[0], steps[-1]) == (1, 30)
  assert steps == sorted(set(steps))
  assert (rows[0]['preemption_count'], rows[-1]['preemption_count']) == (
    '0',
    '1',
  )
  assert study.run([plan], observer) == ['max_steps']
  assert observer.skips == ['max_steps']


def test_the_plan_runs_study_by_study_with_seeds_of_their_own(
  tmp_path, data_dir, write
):
  space = tmp_path / 'space.json'
  space.write_text('{"lr": {"min": 0, "max": 1, "scaling": "linear"}}')
  plan = _plan(
    tmp_path,
    data_dir,
    write('sgd', _SGD),
    workloads=('mnist_resnet', 'shakespeare_lm'),
    search_space=space,
    trials=2,
    studies=2,
  )
  specs = list(plan.specs())
  assert [(s.study, s.workload, s.trial) for s in specs] == [
    (repetition, workload, trial)
    for repetition in (1, 2)
    for workload in ('mnist_resnet', 'shakespeare_lm')
    for trial in (1, 2)
  ]
  assert len({s.seed for s in specs}) == 4
  points = {s.hyperparameters['lr'] for s in specs}
  assert len(points) == 4  # A study does not repeat another's points.
  longer = _plan(
    tmp_path,
    data_dir,
    write('sgd', _SGD),
    workloads=('mnist_resnet', 'shakespeare_lm'),
    search_space=space,
    trials=2,
    studies=3,
  )
  assert list(longer.specs())[: len(specs)] == specs


def test_the_seed_of_an_experiment_is_kept(tmp_path, data_dir, write):
  plan = _plan(tmp_path, data_dir, write('sgd', _SGD), seed=77)
  experiment.write(plan.directory, plan.seed)
  assert experiment.seed_of(plan.directory, None) == 77
  assert experiment.seed_of(plan.directory, 5) == 5
  fresh = experiment.seed_of(tmp_path / 'new', None)
  assert 0 <= fresh < 2**32
