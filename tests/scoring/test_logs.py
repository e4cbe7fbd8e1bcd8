"""Finding and reading logs, whole and damaged."""

import json
import math
import pathlib

import numpy as np
import pytest

from algoperf import spec
from scoring import logs
from tests.scoring import logs_on_disk

GOOD = (
  'accumulated_submission_time,global_step,validation/ppl,train/ppl\n'
  '1.5,1,90.0,91.0\n'
  '2.5,20,nan,\n'
  '4.0,40,7.5,7.0\n'
)


@pytest.fixture
def trial(tmp_path: pathlib.Path) -> pathlib.Path:
  return logs_on_disk.write_trial(tmp_path, study=3, trial=2)


def test_finds_a_trial_from_every_level(trial: pathlib.Path):
  for root in (trial, *list(trial.parents)[:4]):
    found, notices = logs.find([root])
    assert notices == []
    assert found == [
      logs.TrialDir(
        path=trial, submission='sgd', workload='lm', study=3, trial=2
      )
    ]


def test_overlapping_paths_give_a_trial_once(trial: pathlib.Path):
  assert len(logs.find([trial, trial.parent, trial.parents[3]])[0]) == 1


def test_folders_inside_a_trial_are_no_trials(trial: pathlib.Path):
  for name in ('interrupted_1', 'trial_1'):
    (trial / name).mkdir()
    (trial / name / 'eval_measurements.csv').write_text(GOOD)
  assert len(logs.find([trial.parents[3]])[0]) == 1


def test_strips_framework_and_timestamp(tmp_path: pathlib.Path):
  for study, suffix in enumerate(
    ('_jax', '_pytorch', '_jax_2024-05-06-07-08-09')
  ):
    logs_on_disk.write_trial(tmp_path, study=study, suffix=suffix)
  stamped = tmp_path / 'sgd' / 'study_0'
  stamped.rename(stamped.with_name('study_0_2024-05-06_07-08-09'))
  found, notices = logs.find([tmp_path])
  assert {d.workload for d in found} == {'lm'}
  assert [d.study for d in found] == [0, 1, 2]
  assert notices == []


def test_says_what_is_misplaced(tmp_path: pathlib.Path, trial: pathlib.Path):
  lost = tmp_path / 'sgd' / 'study_3' / 'trial_1'
  lost.mkdir()
  found, notices = logs.find([tmp_path])
  assert len(found) == 1
  assert [(n.kind, n.path) for n in notices] == [('misplaced trial', str(lost))]


def test_refuses_paths_without_trials(tmp_path: pathlib.Path):
  with pytest.raises(spec.UsageError, match='no such directory of logs'):
    logs.find([tmp_path / 'nowhere'])
  with pytest.raises(spec.UsageError, match='no trials below'):
    logs.find([tmp_path])


def test_reads_evaluations(tmp_path: pathlib.Path):
  # Unix, Windows and no final line end; blank lines mean nothing.
  for text in (GOOD, GOOD.replace('\n', '\r\n'), GOOD.strip(), GOOD + '\n\n'):
    (tmp_path / 'eval_measurements.csv').write_text(text, newline='')
    read = logs.read_evaluations(tmp_path, 'ppl')
    np.testing.assert_array_equal(read.time_N, [1.5, 2.5, 4.0])
    np.testing.assert_array_equal(read.step_N, [1, 20, 40])
    np.testing.assert_array_equal(read.validation_N, [90, math.nan, 7.5])
    np.testing.assert_array_equal(read.train_N, [91, math.nan, 7.0])
    assert np.isnan(read.test_N).all()


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    (GOOD, '', 'is empty'),
    (GOOD, GOOD.splitlines()[0], 'holds no evaluation'),
    ('/ppl,', '/loss,', 'has no column validation/ppl'),
    ('global_step', 'step', 'has no column global_step'),
    ('40,7.5,7.0\n', '40,7', 'line 4 has 3 cells instead of 4'),
    ('7.5', '7.5,7', 'line 4 has 5 cells instead of 4'),
    ('90.0', '9o', "line 2: could not convert string to float: '9o'"),
    ('2.5,', ',', 'is not a positive finite number everywhere'),
    ('4.0,', 'inf,', 'is not a positive finite number everywhere'),
    ('1.5,', '-1.5,', 'is not a positive finite number everywhere'),
    ('2.5', '1.0', 'runs backwards'),
    ('90.0', '"90.0', 'cannot be read'),
    ('90.0', '\0', 'line 2: could not convert|cannot be read'),
  ],
)
def test_refuses_damaged_logs(
  tmp_path: pathlib.Path, old: str, new: str, message: str
):
  assert old in GOOD
  (tmp_path / 'eval_measurements.csv').write_text(GOOD.replace(old, new, 1))
  with pytest.raises(logs.LogError, match=message) as error:
    logs.read_evaluations(tmp_path, 'ppl')
  assert error.value.status == 'damaged'


def test_tells_missing_from_damaged(tmp_path: pathlib.Path):
  with pytest.raises(logs.LogError, match='there is no') as error:
    logs.read_evaluations(tmp_path, 'ppl')
  assert error.value.status == 'missing'
  (tmp_path / 'eval_measurements.csv').write_bytes(b'\xff\xfe\x00')
  with pytest.raises(logs.LogError, match='cannot be read'):
    logs.read_evaluations(tmp_path, 'ppl')


def test_reads_trial_json(tmp_path: pathlib.Path):
  assert logs.read_details(tmp_path) == {}
  path = tmp_path / 'trial.json'
  path.write_text(json.dumps({'status': 'failed'}))
  assert logs.read_details(tmp_path) == {'status': 'failed'}
  for text in ('{"status": ', '[1]'):
    path.write_text(text)
    with pytest.raises(logs.LogError, match=r'trial\.json'):
      logs.read_details(tmp_path)
