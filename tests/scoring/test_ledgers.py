"""Ledgers against logs: whatever was done to either is named."""

from collections.abc import Callable
import json
import pathlib
import re
import shutil
import tarfile
import zipfile

import pytest

from algoperf import bookkeeper, files, ledger, records, spec
import scoring
from tests.algoperf import test_records

LM, LM_METRIC = 'shakespeare_lm', 'ppl'


def make_trial(experiment: pathlib.Path, study: int, **changes):
  directory = records.trial_directory(experiment, study, LM, 1)
  return test_records.make_spec(
    directory, workload=LM, study=study, trial=1, **changes
  )


def run(
  experiment: pathlib.Path,
  *studies: int,
  time: float = 10.0,
  status: str = 'target_reached',
  **changes: object,
) -> None:
  """Runs trials as the harness does, without training."""
  with bookkeeper.opened(experiment) as keeper:
    for study in studies:
      trial = make_trial(experiment, study, **changes)
      keeper.started(trial)
      directory = pathlib.Path(trial.directory)
      directory.mkdir(parents=True, exist_ok=True)
      (directory / records.EVALUATIONS_FILE).write_text(
        'accumulated_submission_time,global_step,score,validation/ppl\n'
        f'1.0,1,1.0,90.0\n{time + study},9,{time + study},1.0\n'
      )
      files.write_json(directory / records.TRIAL_FILE, {'status': status})
      files.write_json(directory / 'hparams.json', {'learning_rate': 0.1})
      keeper.ended(trial, status)


@pytest.fixture
def experiment(tmp_path: pathlib.Path) -> pathlib.Path:
  """A whole one: three studies of one trial."""
  path = tmp_path / 'experiments' / 'sgd'
  run(path, 1, 2, 3)
  return path


def score(path: pathlib.Path, **options: object) -> scoring.Result:
  return scoring.score(
    path, 'mini', ruleset='self', workloads=[LM], resamples=1, **options
  )


def kinds(path: pathlib.Path) -> list[str]:
  return score(path).warnings['kind'].tolist()


def place(experiment: pathlib.Path, study: int) -> pathlib.Path:
  return records.trial_directory(experiment, study, LM, 1)


def edit(path: pathlib.Path, change: Callable[[list[str]], list[str]]) -> None:
  path.write_text(''.join(change(path.read_text().splitlines(keepends=True))))


def packed(root: pathlib.Path, suffix: str) -> pathlib.Path:
  archive = root.parent / f'logs{suffix}'
  if suffix == '.zip':
    with zipfile.ZipFile(archive, 'w') as file:
      for path in root.rglob('*'):
        file.write(path, path.relative_to(root))
  else:
    with tarfile.open(archive, 'w:xz') as file:
      file.add(root, root.name)
  return archive


# What is done to a whole experiment: the kinds of notices that tell of it.


def delete_trial(experiment: pathlib.Path) -> None:
  shutil.rmtree(place(experiment, 2).parents[1])


def delete_last_trial_and_its_lines(experiment: pathlib.Path) -> None:
  shutil.rmtree(place(experiment, 3).parents[1])
  edit(experiment / ledger.FILE, lambda lines: lines[:-2])


def delete_lines(experiment: pathlib.Path) -> None:
  shutil.rmtree(place(experiment, 2).parents[1])
  edit(experiment / ledger.FILE, lambda lines: lines[:3] + lines[5:])


def delete_ledger(experiment: pathlib.Path) -> None:
  (experiment / ledger.FILE).unlink()


def delete_ledger_and_marks(experiment: pathlib.Path) -> None:
  (experiment / ledger.FILE).unlink()
  for study in (1, 2, 3):
    records.amend(place(experiment, study), {'ledger': None})


def forget_the_length(experiment: pathlib.Path) -> None:
  (experiment / records.EXPERIMENT_FILE).unlink()


def alter_a_time(experiment: pathlib.Path) -> None:
  path = place(experiment, 1) / records.EVALUATIONS_FILE
  path.write_text(path.read_text().replace('11.0', '2.0'))


def alter_the_status(experiment: pathlib.Path) -> None:
  records.amend(place(experiment, 1), {'hardware': None, 'x': 1})


def alter_the_point(experiment: pathlib.Path) -> None:
  (place(experiment, 1) / 'hparams.json').write_text('{}')


def alter_a_line(experiment: pathlib.Path) -> None:
  path = experiment / ledger.FILE
  path.write_text(path.read_text().replace('target_reached', 'failed', 1))


def alter_the_last_line(experiment: pathlib.Path) -> None:
  edit(
    experiment / ledger.FILE,
    lambda lines: [*lines[:-1], lines[-1].replace('target_reached', 'failed')],
  )


def repeat(experiment: pathlib.Path) -> None:
  shutil.rmtree(place(experiment, 1))
  run(experiment, 1, time=5.0)


def swap_studies(experiment: pathlib.Path) -> None:
  place(experiment, 3).parents[1].rename(experiment / 'study_4')


def add_a_trial(experiment: pathlib.Path) -> None:
  shutil.copytree(
    place(experiment, 1), place(experiment, 1).with_name('trial_2')
  )
  path = place(experiment, 1).with_name('trial_2') / records.EVALUATIONS_FILE
  path.write_text(path.read_text().replace('11.0', '12.5'))


def take_another_ledger(experiment: pathlib.Path) -> None:
  """Of the same trials with the same files, run once more."""
  kept = {n: records.read_trial(place(experiment, n)) for n in (1, 2, 3)}
  (experiment / ledger.FILE).unlink()
  (experiment / records.EXPERIMENT_FILE).unlink()
  with bookkeeper.opened(experiment) as keeper:
    for number, content in kept.items():
      trial = make_trial(experiment, number)
      keeper.started(trial)
      (line,) = [
        line
        for line in ledger.parse((experiment / ledger.FILE).read_bytes()).lines
        if line.content.get('study') == number
      ]
      keeper.ended(trial, 'target_reached')
      assert line.digest != content['ledger']
      path = place(experiment, number) / records.TRIAL_FILE
      files.write_json(path, content)


def change_the_submission(experiment: pathlib.Path) -> None:
  shutil.rmtree(experiment)
  run(experiment, 1, 2)
  run(experiment, 3, submission_digest='xyz')


def lose_an_end(experiment: pathlib.Path) -> None:
  shutil.rmtree(experiment)
  run(experiment, 1, 2)
  source = place(experiment, 2)
  with bookkeeper.opened(experiment) as keeper:
    keeper.started(make_trial(experiment, 3))
  shutil.copytree(source, place(experiment, 3))


def find_an_end(experiment: pathlib.Path) -> None:
  lose_an_end(experiment)
  with bookkeeper.opened(experiment) as keeper:
    keeper.ended(make_trial(experiment, 3), 'target_reached', 'found')


TAMPERING = {
  delete_trial: ['missing trial'],
  delete_last_trial_and_its_lines: ['broken ledger'],
  delete_lines: ['broken ledger'],
  delete_ledger: ['no ledger'],
  delete_ledger_and_marks: ['no ledger'],
  forget_the_length: ['broken ledger'],
  alter_a_time: ['altered log'],
  alter_the_status: ['altered file'],
  alter_the_point: ['altered file'],
  alter_a_line: ['broken ledger'],
  alter_the_last_line: ['broken ledger'],
  repeat: ['repeated trial'],
  swap_studies: ['moved trial'],
  add_a_trial: ['unrecorded trial'],
  take_another_ledger: ['altered file'],
  change_the_submission: ['changed submission'],
  lose_an_end: ['no end recorded'],
  find_an_end: ['end not seen'],
}
# What these lead to besides, and was told before there were ledgers.
BESIDES = {
  'missing study',
  'missing studies',
  'missing workload',
  'extra trials',
  'extra studies',
}


@pytest.mark.parametrize('suffix', ['', '.zip', '.tar.xz'])
def test_a_whole_experiment_has_no_notices(
  experiment: pathlib.Path, suffix: str
):
  root = experiment.parent
  result = score(packed(root, suffix) if suffix else root, strict=True)
  assert result.warnings.empty


@pytest.mark.parametrize('tamper', TAMPERING, ids=lambda f: f.__name__)
def test_tampering_is_named_and_refused_strictly(
  experiment: pathlib.Path, tamper: Callable[[pathlib.Path], None]
):
  tamper(experiment)
  warnings = score(experiment.parent).warnings
  told = [kind for kind in warnings['kind'] if kind not in BESIDES]
  assert sorted(set(told)) == TAMPERING[tamper]
  for message in warnings['message']:
    assert '\n' not in message and len(message) < 400
  with pytest.raises(spec.UsageError) as error:
    score(packed(experiment.parent, '.zip'), strict=True)
  for kind in TAMPERING[tamper]:
    assert f'× {kind} (first: ' in str(error.value)


def test_notices_say_where(experiment: pathlib.Path):
  delete_trial(experiment)
  alter_a_time(experiment)
  warnings = score(experiment).warnings.set_index('kind')
  missing = warnings.loc['missing trial']
  assert (missing['submission'], missing['study'], missing['trial']) == (
    ('sgd', 2, 1)
  )
  assert missing['path'] == str(experiment / ledger.FILE)
  assert missing['line'] == 4
  assert "'target_reached'" in missing['message']
  altered = warnings.loc['altered log']
  assert altered['path'] == str(place(experiment, 1) / records.EVALUATIONS_FILE)


def test_crashes_are_told_and_blamed_on_nobody(experiment: pathlib.Path):
  shutil.rmtree(experiment)
  run(experiment, 1, 2, 3, status='interrupted')
  with open(experiment / ledger.FILE, 'ab') as file:
    file.write(b'{"event": "sta')
  run(experiment, 1, 2, 3)
  result = score(experiment, strict=True)
  assert sorted(set(result.warnings['kind'])) == [
    'started again',
    'torn ledger line',
  ]


def test_renamed_and_moved_experiments_are_whole(
  experiment: pathlib.Path, tmp_path: pathlib.Path
):
  moved = tmp_path / 'elsewhere' / 'deeper' / 'sgd_2026-01-02-03-04-05'
  moved.parent.mkdir(parents=True)
  experiment.rename(moved)
  assert kinds(tmp_path / 'elsewhere') == []
  assert kinds(moved) == []


def test_merged_experiments_keep_their_ledgers(tmp_path: pathlib.Path):
  first, second = tmp_path / 'a' / 'sgd', tmp_path / 'b' / 'sgd'
  run(first, 1, 2)
  run(second, 3)
  result = scoring.score(
    [tmp_path / 'a', tmp_path / 'b'], 'mini', ruleset='self', workloads=[LM]
  )
  assert result.warnings.empty
  (second / 'study_3').rename(first / 'study_3')
  assert set(kinds(first)) == {'unrecorded trial'}
  result = scoring.score(tmp_path, 'mini', ruleset='self', workloads=[LM])
  assert set(result.warnings['kind']) == {'moved trial'}
  (second / ledger.FILE).rename(first / 'ledger_b.jsonl')
  shutil.rmtree(second)
  assert kinds(tmp_path) == []
  shutil.rmtree(first / 'study_3')
  warnings = score(first).warnings
  (line,) = warnings['path'][warnings['kind'] == 'missing trial']
  assert line == str(first / 'ledger_b.jsonl')


def test_other_workloads_are_no_concern(experiment: pathlib.Path):
  with bookkeeper.opened(experiment) as keeper:
    other = test_records.make_spec(experiment, workload='mnist_resnet')
    keeper.started(other)
  assert kinds(experiment) == []


def test_logs_that_never_had_a_ledger_are_not_blamed(experiment: pathlib.Path):
  delete_ledger_and_marks(experiment)
  forget_the_length(experiment)
  assert kinds(experiment) == []


@pytest.mark.parametrize(
  'content', [b'', b'\n', b'\xff\xfe', b'[' * 100000, b'null\n', b'{"a": 1}\n']
)
def test_anything_may_be_in_the_files(experiment: pathlib.Path, content: bytes):
  (experiment / records.EXPERIMENT_FILE).write_bytes(content)
  assert kinds(experiment) == ['broken ledger']
  (experiment / ledger.FILE).write_bytes(content)
  assert 'unrecorded trial' in kinds(experiment)


def test_values_of_any_size_are_told(experiment: pathlib.Path):
  path = experiment / ledger.FILE
  text = path.read_text()
  path.write_text(
    re.sub(r'"study": 1\b', '"study": 99999999999999999999', text)
  )
  assert 'broken ledger' in kinds(experiment)
  path.write_text(text.replace('target_reached', '\\ud800\\u0007'))
  assert json.loads(path.read_text().splitlines()[2])['status'] == '\ud800\x07'
  shutil.rmtree(place(experiment, 1))
  (message,) = score(experiment).warnings.query('kind == "missing trial"')[
    'message'
  ]
  assert message.isascii() and message.isprintable()
