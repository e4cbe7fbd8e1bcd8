"""A cheat in a whole experiment: told on the screen and in the record."""

import csv
import pathlib

from algoperf import cli, records

_CHEAT = pathlib.Path(__file__).parents[1] / 'cheats' / 'import_time.py'
_EXITS = """
import os
import optax

def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)

def data_selection(workload, input_queue, optimizer_state, params, model_state,
                   hyperparameters, global_step, rng):
  if global_step == 1:
    os._exit(3)
  return next(input_queue)
"""


def _bench(tmp_path, data_dir, *submissions: str) -> int:
  return cli.main(
    [
      'bench',
      f'--submissions={",".join(submissions)}',
      '--workloads=mnist_resnet',
      '--num_studies=1',
      '--num_tuning_trials=1',
      f'--experiment_dir={tmp_path}/out',
      f'--data_dir={data_dir}',
      '--max_steps=2',
      '--seed=0',
    ]
  )


def _directory(tmp_path, submission: str) -> pathlib.Path:
  return records.trial_directory(
    tmp_path / 'out' / submission, 1, 'mnist_resnet', 1
  )


def test_a_violation_ends_the_trial_and_others_go_on(
  tmp_path, data_dir, capsys
):
  exits = tmp_path / 'exits.py'
  exits.write_text(_EXITS)
  assert _bench(tmp_path, data_dir, str(_CHEAT), str(exits)) == 1

  cheat = records.read_trial(_directory(tmp_path, 'import_time'))
  reason = 'changes jax.config.jax_debug_nans'
  assert cheat['status'] == 'disqualified'
  assert cheat['violations'] == [reason]
  assert reason in cheat['message']

  exited = _directory(tmp_path, 'exits')
  assert records.read_trial(exited)['status'] == 'failed'
  assert 'status 3' in records.read_trial(exited)['message']
  with open(exited / records.EVALUATIONS_FILE, newline='') as file:
    assert [row['global_step'] for row in csv.DictReader(file)] == ['1']

  output = capsys.readouterr()
  assert f'disqualified: {reason}' in output.out
  assert 'Traceback' not in output.out + output.err
