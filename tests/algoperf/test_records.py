"""The trial directory: readable at every moment, in AlgoPerf's layout."""

import csv
import dataclasses
import json
import math

import numpy as np
import pytest

from algoperf import files, records, trial_record
from algoperf import scalars as scalars_lib


def make_spec(directory, **changes) -> records.TrialSpec:
  spec = records.TrialSpec(
    workload='toy',
    submission='sgd',
    submission_path='/somewhere/sgd.py',
    submission_digest='abc',
    benchmark='mini',
    benchmark_digest='def',
    ruleset='external',
    study=1,
    trial=2,
    seed=3,
    hyperparameters={'learning_rate': 0.1},
    max_steps=None,
    data_dir='/data',
    directory=str(directory),
  )
  return dataclasses.replace(spec, **changes)


def read_csv(path):
  with open(path, newline='', encoding='utf-8') as file:
    return list(csv.DictReader(file))


@pytest.fixture
def record(tmp_path):
  scalars = scalars_lib.ScalarBuffer()
  trial = trial_record.TrialRecord(
    tmp_path, make_spec(tmp_path), {'versions': {'jax': '1'}}, scalars
  )
  trial.begin({'rng_seed': 3})
  return tmp_path, trial, scalars


def test_layout_is_algoperfs(tmp_path):
  assert (
    records.trial_directory(tmp_path / 'nadamw', 3, 'wmt', 5)
    == tmp_path / 'nadamw/study_3/wmt_jax/trial_5'
  )


def test_evaluations_have_alphabetical_columns_and_new_ones_last(record):
  directory, trial, _ = record
  trial.evaluated(1, {'validation/loss': 2.0, 'score': 1.5})
  trial.evaluated(2, {'validation/loss': 1.0, 'score': 2.5, 'a/new': 7.0})
  path = directory / records.EVALUATIONS_FILE
  assert path.read_text().splitlines() == [
    'global_step,preemption_count,score,validation/loss,a/new',
    '1,0,1.5,2.0,',
    '2,0,2.5,1.0,7.0',
  ]


def test_measurements_hold_scalars_evaluations_and_the_final_score(record):
  directory, trial, scalars = record
  scalars.append_scalar_metrics({'loss': np.float32(0.5)}, 0)
  trial.evaluated(1, {'score': 1.0})
  scalars.append_scalar_metrics({'loss': 0.25}, 100)
  trial.end('max_steps', steps=101, times={'wall': 3.0, 'timed': 2.0})
  rows = read_csv(directory / records.MEASUREMENTS_FILE)
  assert [(row['global_step'], row['loss'], row['score']) for row in rows] == [
    ('0', '0.5', ''),
    ('1', '', '1.0'),
    ('100', '0.25', ''),
    ('101', '', '2.0'),
  ]


def test_trial_json_tells_of_a_running_and_of_an_ended_trial(record):
  directory, trial, _ = record
  assert records.read_trial(directory)['status'] == 'running'
  trial.evaluated(4, {'validation/loss': math.nan})
  trial.evaluated(9, {'validation/loss': math.inf})
  trial.end(
    'failed',
    steps=11,
    times={'wall': 3.0, 'timed': 2.0},
    message='ValueError: no',
    traceback='Traceback …',
  )
  content = records.read_trial(directory)
  assert content['status'] == 'failed'
  assert content['message'] == 'ValueError: no'
  assert content['steps'] == 11
  assert content['evaluations'] == 2
  assert content['first_non_finite_step'] == 4
  assert content['hyperparameters'] == {'learning_rate': 0.1}
  assert content['versions'] == {'jax': '1'}
  assert content['time'] == {'wall': 3.0, 'timed': 2.0}
  assert (directory / records.TRACEBACK_FILE).read_text() == 'Traceback …'
  assert json.loads((directory / 'hparams.json').read_text()) == {
    'learning_rate': 0.1
  }


def test_json_is_replaced_whole_or_not_at_all(tmp_path):
  path = tmp_path / 'x.json'
  files.write_json(path, {'a': 1})

  class Unprintable:
    def __str__(self):
      raise RuntimeError

  with pytest.raises(RuntimeError):
    files.write_json(path, {'a': 2, 'b': Unprintable()})
  assert files.read_json(path) == {'a': 1}
  assert [p.name for p in tmp_path.iterdir()] == ['x.json']


@pytest.mark.parametrize('content', ['', '{', '[1]', 'null', '\xff'])
def test_unreadable_json_is_none(tmp_path, content):
  path = tmp_path / records.TRIAL_FILE
  path.write_bytes(content.encode('latin-1'))
  assert records.read_trial(tmp_path) is None


def test_differences_name_what_counts_and_ignore_places(tmp_path):
  spec = make_spec(tmp_path)
  recorded = dataclasses.asdict(spec)
  assert spec.differences(recorded) == []
  moved = dataclasses.replace(
    spec, data_dir='/elsewhere', directory='/x', submission_path='/y'
  )
  assert moved.differences(recorded) == []
  changed = dataclasses.replace(spec, seed=4, submission_digest='xyz')
  assert changed.differences(recorded) == [
    "submission_digest 'abc' → 'xyz'",
    'seed 3 → 4',
  ]


def test_archive_keeps_every_attempt_apart(tmp_path):
  records.archive(tmp_path / 'missing')
  for attempt in (1, 2):
    (tmp_path / records.TRIAL_FILE).write_text(str(attempt))
    records.archive(tmp_path)
    assert not (tmp_path / records.TRIAL_FILE).exists()
  records.archive(tmp_path)  # Nothing left to move.
  found = sorted(tmp_path.rglob(records.TRIAL_FILE))
  assert [path.parent.name for path in found] == ['attempt_1', 'attempt_2']
  assert [path.read_text() for path in found] == ['1', '2']


def test_a_record_is_rewound_to_where_it_was(record):
  directory, trial, scalars = record
  trial.evaluated(1, {'score': 1.0, 'validation/loss': 2.0})
  scalars.append_scalar_metrics({'loss': 0.5}, 2)
  state = json.loads(json.dumps(trial.state()))
  trial.sync()
  names = (records.EVALUATIONS_FILE, records.MEASUREMENTS_FILE)
  before = [(directory / name).read_bytes() for name in names]
  scalars.append_scalar_metrics({'new': 0.5}, 3)
  trial.evaluated(3, {'score': 2.0, 'validation/loss': math.nan, 'a/new': 1.0})
  with open(directory / records.EVALUATIONS_FILE, 'a') as file:
    file.write('5,0,half a r')  # As a killed process may leave it.
  again = trial_record.TrialRecord(
    directory, make_spec(directory), {}, scalars_lib.ScalarBuffer()
  )
  again.rewind(state, {'step': 2})
  assert [(directory / name).read_bytes() for name in names] == before
  again.begin({})
  again.evaluated(4, {'score': 3.0, 'validation/loss': 1.0})
  rows = read_csv(directory / records.EVALUATIONS_FILE)
  assert [(r['global_step'], r['preemption_count']) for r in rows] == [
    ('1', '0'),
    ('4', '1'),
  ]
  content = records.read_trial(directory)
  assert content['preemptions'][0]['step'] == 2
  assert content['first_non_finite_step'] is None
  assert (directory / 'flags_1.json').exists()
  assert (directory / 'meta_data_1.json').exists()


def test_a_record_that_has_lost_rows_is_not_rewound(record):
  directory, trial, _ = record
  trial.evaluated(1, {'score': 1.0})
  state = trial.state()
  (directory / records.EVALUATIONS_FILE).unlink()
  with pytest.raises(ValueError, match=r'eval_measurements\.csv lacks rows'):
    trial.rewind(state, {})
