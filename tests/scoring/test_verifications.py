"""What `algoperf verify` left beside trials, as scoring shows it."""

import hashlib
import io
import json
import pathlib
from typing import Any
import zipfile

import pytest
from rich import console as console_lib

from algoperf import spec
import scoring
from scoring import html, report
from tests.scoring import logs_on_disk

FILES = ('eval_measurements.csv', 'trial.json')


def trial(root: pathlib.Path, study: int) -> pathlib.Path:
  directory = logs_on_disk.write_trial(
    root,
    workload='shakespeare_lm',
    study=study,
    evaluations=[(10.0, 90.0), (20.0, 1.0)],
  )
  (directory / 'trial.json').write_text('{"status": "target_reached"}')
  return directory


def note(directory: pathlib.Path, **changes: Any) -> None:
  """As `algoperf verify` does it."""
  digests = {
    name: hashlib.sha256((directory / name).read_bytes()).hexdigest()
    for name in FILES
  }
  content = {
    'verified': True,
    'problems': [],
    'files': digests,
    'time': '2026-11-27T21:00:00+00:00',
  }
  path = directory / 'verification.json'
  path.write_text(json.dumps(content | changes))


@pytest.fixture
def trials(tmp_path: pathlib.Path) -> list[pathlib.Path]:
  """Of three studies, all of them verified."""
  directories = [trial(tmp_path, study) for study in (1, 2, 3)]
  for directory in directories:
    note(directory)
  return directories


def score(root: pathlib.Path, **options: Any) -> scoring.Result:
  return scoring.score(
    root, 'mini', ruleset='self', workloads=['shakespeare_lm'], **options
  )


def test_verified_results_are_counted(
  tmp_path: pathlib.Path, trials: list[pathlib.Path]
):
  result = score(tmp_path, strict=True)
  assert result.warnings.empty
  assert result.scores[['verified', 'counting']].to_numpy().tolist() == [[3, 3]]
  assert result.studies['verification'].tolist() == ['verified'] * 3
  stream = io.StringIO()
  report.show(result, console_lib.Console(file=stream, width=100))
  assert ' 3/3 ' in stream.getvalue().splitlines()[4]
  assert '3 of 3</td>' in html.render(result)
  report.write(result, tmp_path / 'out')
  header = (tmp_path / 'out/scores.csv').read_text().splitlines()[0]
  assert header.endswith(',rank_high,verified,counting')
  header = (tmp_path / 'out/studies.csv').read_text().splitlines()[0]
  assert header.endswith(',hyperparameters,verification')


def test_without_verifications_nothing_is_said_of_them(tmp_path: pathlib.Path):
  trial(tmp_path, 1)
  result = score(tmp_path)
  assert 'verified' not in result.scores
  assert 'verification' not in result.studies
  assert result.trials['verification'].tolist() == ['']


@pytest.mark.parametrize('name', FILES)
def test_a_verification_is_stale_once_a_file_changed(
  tmp_path: pathlib.Path, trials: list[pathlib.Path], name: str
):
  path = trials[1] / name
  path.write_text(path.read_text() + '\n')
  result = score(tmp_path)
  assert result.scores['verified'].tolist() == [2]
  assert result.studies['verification'].tolist() == [
    'verified',
    'stale',
    'verified',
  ]
  (row,) = result.warnings.to_dict('records')
  assert row['kind'] == 'stale verification'
  assert row['message'].startswith(f'{name} changed since it was verified')
  assert row['path'] == str(trials[1] / 'verification.json')
  with pytest.raises(spec.UsageError, match='1 × stale verification'):
    score(tmp_path, strict=True)


def test_a_file_that_was_put_in_shows(
  tmp_path: pathlib.Path, trials: list[pathlib.Path]
):
  (trials[0] / 'hparams.json').write_text('{}')
  assert score(tmp_path).studies['verification'][0] == 'stale'


def test_a_refused_result_counts_and_is_said(
  tmp_path: pathlib.Path, trials: list[pathlib.Path]
):
  problem = {'kind': 'other results', 'message': 'validation/ppl is 2'}
  note(trials[2], verified=False, problems=[problem])
  result = score(tmp_path)
  assert result.studies['verification'][2] == 'refused'
  assert result.scores[['verified', 'counting']].to_numpy().tolist() == [[2, 3]]
  (row,) = result.warnings.to_dict('records')
  assert row['kind'] == 'refused result'
  assert row['message'].endswith('other results: validation/ppl is 2')


@pytest.mark.parametrize(
  ('content', 'kind'),
  [
    ('{"verified"', 'damaged verification.json'),
    ('[]', 'damaged verification.json'),
    ('{"verified": true}', 'stale verification'),
    ('{"verified": true, "files": [1]}', 'stale verification'),
    ('{"verified": true, "files": {"trial.json": 3}}', 'stale verification'),
  ],
)
def test_what_is_no_verification_confirms_nothing(
  tmp_path: pathlib.Path,
  trials: list[pathlib.Path],
  content: str,
  kind: str,
):
  (trials[0] / 'verification.json').write_text(content)
  result = score(tmp_path)
  assert result.warnings['kind'].tolist() == [kind]
  assert result.scores['verified'].tolist() == [2]


@pytest.mark.parametrize('problems', [None, [], [7], [{}], {}, 'why'])
def test_a_refusal_need_not_say_why(
  tmp_path: pathlib.Path, trials: list[pathlib.Path], problems: Any
):
  note(trials[0], verified=None, problems=problems)
  (message,) = score(tmp_path).warnings['message']
  assert message.endswith('no reason is given')


def test_verifications_are_found_in_archives(
  tmp_path: pathlib.Path, trials: list[pathlib.Path]
):
  archive = tmp_path / 'logs.zip'
  with zipfile.ZipFile(archive, 'w') as file:
    for path in (tmp_path / 'sgd').rglob('*'):
      file.write(path, path.relative_to(tmp_path))
  assert score(archive).scores['verified'].tolist() == [3]
