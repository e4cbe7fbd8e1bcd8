"""Trials ended early, because another of their study was faster."""

import json
import math
import pathlib

import pandas as pd
import pytest

from algoperf import spec
import scoring
from tests.scoring import logs_on_disk

# By submission: evaluations (time, ppl) of each trial; the target is 6.656.
_TRIALS = {
  'quick': [[(1, 9), (20, 6)], [(1, 9), (30, 7), (40, 6)], [(1, 9), (90, 8)]],
  'slow': [[(1, 9), (99, 8)], [(1, 9), (60, 6)], [(1, 9), (61, 7), (80, 5)]],
}


def _write(root: pathlib.Path, ends_early: bool) -> None:
  for submission, trials in _TRIALS.items():
    best = math.inf
    for number, evaluations in enumerate(trials, start=1):
      beaten = ends_early and evaluations[-1][0] >= best
      kept = [e for e in evaluations if not beaten or e[0] < best]
      directory = logs_on_disk.write_trial(
        root,
        submission=submission,
        workload='shakespeare_lm',
        trial=number,
        evaluations=kept,
      )
      details = {'status': 'out_of_time'}
      if beaten:
        details = {'status': 'beaten', 'beaten_at': float(best)}
      (directory / 'trial.json').write_text(json.dumps(details))
      best = min([best, *(time for time, ppl in kept if ppl <= 6.656)])


def _score(root: pathlib.Path, **options) -> scoring.Result:
  return scoring.score(root, 'mini', workloads=['shakespeare_lm'], **options)


def test_scores_are_the_same(tmp_path: pathlib.Path):
  _write(tmp_path / 'whole', False)
  _write(tmp_path / 'early', True)
  whole, early = _score(tmp_path / 'whole'), _score(tmp_path / 'early')
  for table in ('scores', 'times', 'ratios', 'profiles', 'pairs'):
    pd.testing.assert_frame_equal(getattr(whole, table), getattr(early, table))
  columns = ['submission', 'time', 'last_miss', 'step', 'trial', 'trials']
  pd.testing.assert_frame_equal(whole.studies[columns], early.studies[columns])
  kinds = early.warnings['kind'].tolist()
  assert kinds.count('beaten trials') == 1
  assert sorted([*whole.warnings['kind'], 'beaten trials']) == sorted(kinds)
  (text,) = early.warnings.query("kind == 'beaten trials'")['message']
  assert text.startswith('3 of 6 trials')


@pytest.mark.parametrize('options', [{'by': 'steps'}, {'as_published': True}])
def test_by_anything_but_time_they_might_count(
  tmp_path: pathlib.Path, options: dict
):
  _write(tmp_path, True)
  with pytest.raises(spec.UsageError, match='score these logs by time'):
    _score(tmp_path, **options)


@pytest.mark.parametrize('damage', ['disqualified', 'slower', 'unknown'])
def test_whoever_was_beaten_needs_a_faster_one(
  tmp_path: pathlib.Path, damage: str
):
  """Or else its study might have taken less than is known."""
  _write(tmp_path, True)
  trial = 'slow/study_1/shakespeare_lm_jax/trial_'
  winner, beaten = (
    tmp_path / f'{trial}{number}' / 'trial.json' for number in (2, 3)
  )
  if damage == 'disqualified':
    winner.write_text('{"status": "disqualified"}')
  elif damage == 'slower':
    beaten.write_text('{"status": "beaten", "beaten_at": 59.0}')
  else:
    beaten.write_text('{"status": "beaten", "beaten_at": "early"}')
  warnings = _score(tmp_path).warnings
  (row,) = warnings[warnings['kind'] == 'beaten by none'].itertuples()
  assert (row.submission, row.trial) == ('slow', 3)
  with pytest.raises(spec.UsageError, match='beaten by none'):
    _score(tmp_path, strict=True)
