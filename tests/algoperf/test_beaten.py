"""Trials that end because another one of their study was faster."""

import os
import pathlib
import textwrap

import pytest

from algoperf import benchmark as benchmark_lib
from algoperf import cli, files, ledger, records, sources, supervisor
from algoperf import plan as plan_lib
import scoring
from tests.algoperf import toy_worker

_ROOT = pathlib.Path(__file__).parents[2]
_SGD = """
import optax

def optimizer(hyperparameters, step_hint):
  return optax.sgd(hyperparameters.learning_rate)
"""
_POINTS = '[{"learning_rate": 0.0}, {"learning_rate": 0.3}, '
_POINTS += '{"learning_rate": 1e-9}]'
_BENCHMARK = textwrap.dedent("""\
  name = "toy"
  description = "one workload"
  stop_at = ["validation"]

  [scoring]
  study = "least_time"
  workload = "median"
  held_out = "none"
  max_ratio = 4.0
  integral = "exact"

  [rulesets.external]
  trials = 3
  studies = 1
  budget_factor = 1.0

  [rulesets.self]
  trials = 1
  studies = 1
  budget_factor = 1.5

  [workloads.toy]
  metric = "accuracy"
  comparison = ">="
  validation_target = 0.9
  max_runtime = 10
  eval_period = 0.2
  step_hint = 100
  batch_size = 16
  target_source = "none"
""")


@pytest.fixture
def write(tmp_path):
  """A definition and a submission, on disk."""
  (tmp_path / 'toy.toml').write_text(_BENCHMARK)
  folder = tmp_path / 'sgd'
  folder.mkdir()
  (folder / 'submission.py').write_text(_SGD)
  (folder / 'tuning_search_space.json').write_text(_POINTS)
  return tmp_path / 'toy.toml', folder


def _plan(tmp_path, write, **changes) -> plan_lib.Plan:
  definition, folder = write
  values = {
    'benchmark': benchmark_lib.load(str(definition)),
    'benchmark_path': str(definition),
    'source': sources.locate(str(folder)),
    'workloads': ('toy',),
    'ruleset': 'external',
    'search_space': folder / 'tuning_search_space.json',
    'trials': 3,
    'studies': 2,
    'seed': 0,
    'max_steps': None,
    'data_dir': '',
    'directory': tmp_path / 'out',
    'stop_when_beaten': True,
  }
  return plan_lib.Plan(**(values | changes))


def _record(trial: records.TrialSpec, status: str, time: float | None) -> None:
  directory = pathlib.Path(trial.directory)
  directory.mkdir(parents=True, exist_ok=True)
  target = None if time is None else {'step': 1, 'time': time, 'last_miss': 0.0}
  content = {'status': status, 'target': target}
  files.write_json(directory / records.TRIAL_FILE, content)


def test_rivals_are_the_trials_of_the_same_study_that_have_ended(
  tmp_path, write
):
  plan = _plan(tmp_path, write)
  first, second, third, *others = plan.specs()

  def rival(plan: plan_lib.Plan = plan) -> float | None:
    return plan.with_rival(third).beaten_at

  assert rival() is None
  _record(first, 'out_of_time', None)
  _record(others[0], 'target_reached', 1.0)  # Of the other study.
  _record(third, 'failed', 2.0)  # An attempt of its own.
  assert rival() is None
  for status in ('disqualified', 'failed', 'running', 'interrupted'):
    _record(second, status, 3.0)
    assert rival() is None
  _record(second, 'target_reached', 5.0)
  assert rival() == 5.0
  _record(first, 'max_steps', 4.5)
  assert rival() == 4.5
  assert rival(_plan(tmp_path, write, stop_when_beaten=False)) is None
  # It is the same trial, however far it is to go.
  assert plan.with_rival(third).identity() == third.identity()


def test_a_benchmark_whose_scores_it_would_change_is_refused(
  tmp_path, write, capsys
):
  definition, folder = write
  fewest = _BENCHMARK.replace('least_time', 'fewest_evaluations')
  definition.write_text(fewest)
  command = ['bench', f'--submissions={folder}', f'--benchmark={definition}']
  command += [f'--experiment_dir={tmp_path}/out', '--stop_when_beaten']
  assert cli.main(command) == 2
  assert 'leave out --stop_when_beaten' in capsys.readouterr().err
  assert not (tmp_path / 'out').exists()


@pytest.mark.long
def test_a_study_of_which_one_trial_reaches_the_target(
  tmp_path, write, monkeypatch, capsys
):
  definition, folder = write
  monkeypatch.setattr(supervisor, 'WORKER', toy_worker.__name__)
  path = [str(_ROOT), os.environ.get('PYTHONPATH', '')]
  monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, path)))
  command = ['bench', f'--submissions={folder}', f'--benchmark={definition}']
  command += [f'--experiment_dir={tmp_path}/out', '--stop_when_beaten']
  assert cli.main([*command, '--seed=0']) == 0
  output = capsys.readouterr().out
  contents = [
    records.read_trial(
      records.trial_directory(tmp_path / 'out/sgd', 1, 'toy', number)
    )
    for number in (1, 2, 3)
  ]
  statuses = [content['status'] for content in contents]
  assert statuses == ['out_of_time', 'target_reached', 'beaten']
  reached = contents[1]['target']['time']
  assert contents[2]['beaten_at'] == reached
  assert reached <= contents[2]['time']['timed'] < 10
  assert f' by a trial of {reached:.1f} s, accuracy' in output
  chain = ledger.parse((tmp_path / 'out/sgd' / ledger.FILE).read_bytes())
  assert [attempt.status for attempt in chain.attempts()] == statuses
  result = scoring.score(tmp_path / 'out', str(definition))
  assert result.times.loc['sgd', 'toy'] == reached
  kinds = set(result.warnings['kind'])
  assert kinds - {'uneven machines'} == {'beaten trials'}
  assert cli.main([*command, '--seed=0']) == 0
  assert 'beaten, done before' in capsys.readouterr().out
