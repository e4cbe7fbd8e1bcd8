"""Results confirmed by evaluating again, and altered runs refused by name."""

from importlib import resources
import shutil

import numpy as np
import pytest

from algoperf import checkpoint, cli, files, ledger, records, verification
import scoring

_SGD = """
import optax

def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)
"""


@pytest.fixture(scope='module')
def finished(tmp_path_factory, data_dir):
  """An experiment of one trial, whose first evaluation met the target."""
  folder = tmp_path_factory.mktemp('verification')
  (folder / 'sgd.py').write_text(_SGD)
  mini = resources.files('algoperf').joinpath('benchmarks', 'mini.toml')
  easy = mini.read_text(encoding='utf-8')
  easy = easy.replace('validation_target = 0.971', 'validation_target = 0.01')
  (folder / 'easy.toml').write_text(easy, encoding='utf-8')
  status = cli.main(
    [
      'run',
      '--workload=mnist_resnet',
      f'--submission={folder}/sgd.py',
      f'--benchmark={folder}/easy.toml',
      f'--experiment_dir={folder}/out',
      f'--data_dir={data_dir}',
      '--seed=0',
    ]
  )
  assert status == 0
  return folder / 'out' / 'sgd'


@pytest.fixture
def run(finished, tmp_path):
  """A copy to be altered, and its trial."""
  copy = tmp_path / 'sgd'
  shutil.copytree(finished, copy)
  return copy, records.trial_directory(copy, 1, 'mnist_resnet', 1)


def logged(trial, found):
  """Evaluates to what was logged."""
  return found.header['eval_results'][-1][1]


def kinds(directory, evaluate=logged):
  return {p.kind for p in verification.problems(directory, evaluate)}


def edit(path, old, new):
  text = path.read_text(encoding='utf-8')
  assert old in text
  path.write_text(text.replace(old, new, 1), encoding='utf-8')


def amend(directory, **changes):
  records.amend(directory, changes)


def test_a_result_is_confirmed_by_evaluating_it_again(
  finished, data_dir, capsys
):
  assert cli.main(['verify', str(finished), f'--data_dir={data_dir}']) == 0
  assert 'verified' in capsys.readouterr().out
  benchmark = finished.parents[1] / 'easy.toml'
  found = scoring.score(
    finished, benchmark, ruleset='self', workloads=['mnist_resnet']
  )
  assert found.scores[['verified', 'counting']].to_numpy().tolist() == [[1, 1]]


def test_a_refusal_is_left_beside_the_trial(run, capsys):
  experiment, directory = run
  (directory / records.CHECKPOINTS / checkpoint.TARGET).unlink()
  for _ in range(2):  # The note of the first is no part of what is verified.
    assert cli.main(['verify', str(experiment)]) == 1
    note = files.read_json(directory / records.VERIFICATION_FILE)
    assert [p['kind'] for p in note['problems']] == ['no checkpoint']
    assert not note['verified']
    assert records.VERIFICATION_FILE not in note['files']
    assert (
      note['files'][records.TRIAL_FILE]
      == (ledger.digests(directory)[records.TRIAL_FILE])
    )


def test_other_parameters_are_refused_whatever_else_was_forged(
  run, data_dir, capsys
):
  """The checkpoint, its hash in trial.json and the ledger agree here."""
  experiment, directory = run
  path = directory / records.CHECKPOINTS / checkpoint.TARGET
  found = checkpoint.read(path)
  header = dict(found.header)
  header.pop('arrays')
  sha256 = checkpoint.write(path, header, [0.5 * a for a in found.arrays])
  target = records.read_trial(directory)['target']
  amend(directory, target=target | {'checkpoint_sha256': sha256})
  (experiment / ledger.FILE).unlink()
  assert cli.main(['verify', str(experiment), f'--data_dir={data_dir}']) == 1
  said = capsys.readouterr().out
  assert 'REFUSED' in said
  assert 'other results: validation/loss is' in said


def test_a_model_of_other_shapes_is_refused(run, data_dir):
  from algoperf import reevaluation

  _, directory = run
  path = directory / records.CHECKPOINTS / checkpoint.TARGET
  found = checkpoint.read(path)
  header = dict(found.header)
  header.pop('arrays')
  first = found.arrays[0]
  wider = np.concatenate([first, first])
  checkpoint.write(path, header, [wider, *found.arrays[1:]])
  found_kinds = kinds(directory, reevaluation.Evaluator(str(data_dir)))
  assert {'other model', 'other checkpoint'} <= found_kinds


def _cut_ledger(experiment, directory):
  path = experiment / ledger.FILE
  path.write_bytes(b''.join(path.read_bytes().splitlines(True)[:1]))


def _flip(experiment, directory):
  path = directory / records.CHECKPOINTS / checkpoint.TARGET
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def _of_another_seed(experiment, directory):
  path = directory / records.CHECKPOINTS / checkpoint.TARGET
  found = checkpoint.read(path)
  header = dict(found.header)
  header.pop('arrays')
  header['identity'] = header['identity'] | {'seed': 1}
  checkpoint.write(path, header, found.arrays)


def _other_step(experiment, directory):
  target = records.read_trial(directory)['target']
  amend(directory, target=target | {'step': 7})


def _earlier(experiment, directory):
  target = records.read_trial(directory)['target']
  amend(directory, target=target | {'time': 0.5 * target['time']})


def _less_time(experiment, directory):
  times = records.read_trial(directory)['time']
  amend(directory, time=times | {'update': times['update'] + times['wall']})


def _row_twice(experiment, directory):
  path = directory / records.EVALUATIONS_FILE
  text = path.read_text(encoding='utf-8')
  path.write_text(text + text.splitlines()[-1] + '\n', encoding='utf-8')


ALTERED = {
  'no ledger': lambda e, d: (e / ledger.FILE).unlink(),
  'broken ledger': lambda e, d: edit(e / ledger.FILE, '"seed":', '"sead":'),
  'not in the ledger': _cut_ledger,
  'altered file': _row_twice,
  'altered trial': lambda e, d: amend(d, seed=1),
  'wrong times': _less_time,
  'other target': _other_step,
  'other hardware': lambda e, d: amend(d, hardware_profile='1xh200'),
  'other definition': lambda e, d: amend(d, benchmark='mini'),
  'no checkpoint': lambda e, d: shutil.rmtree(d / records.CHECKPOINTS),
  'damaged checkpoint': _flip,
  'other checkpoint': _of_another_seed,
  'damaged trial.json': lambda e, d: amend(d, time='none'),
  'no result': lambda e, d: amend(d, status='running'),
}


@pytest.mark.parametrize('kind', ALTERED)
def test_altered_runs_are_refused_by_name(run, kind):
  experiment, directory = run
  assert kinds(directory) == set()
  ALTERED[kind](experiment, directory)
  assert kind in kinds(directory)


def test_a_trial_that_is_gone_is_named(run, capsys):
  experiment, directory = run
  assert verification.missing(experiment) == []
  directory.rename(directory.with_name('trial_7'))
  assert cli.main(['verify', str(experiment)]) == 1
  out = capsys.readouterr().out
  assert 'moved trial: it was trial 1 of mnist_resnet, study 1' in out
  assert f'REFUSED  {directory}\n         missing trial' in out


def test_a_time_made_shorter_is_another_target(run):
  _, directory = run
  _earlier(None, directory)
  assert {'other target', 'altered file'} <= kinds(directory)


def test_results_that_differ_are_named(run):
  _, directory = run

  def worse(trial, found):
    results = logged(trial, found)
    return results | {'validation/accuracy': 0.001}

  assert kinds(directory, worse) == {'other results', 'target missed'}


def test_a_log_that_is_no_log_is_damaged(run):
  _, directory = run
  (directory / records.EVALUATIONS_FILE).write_text('global_step\nx\n')
  assert 'damaged log' in kinds(directory)


def test_a_run_that_is_not_there_is_one_line(tmp_path, capsys):
  assert cli.main(['verify', str(tmp_path)]) == 2
  assert 'no trial at' in capsys.readouterr().err
