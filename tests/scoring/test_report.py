"""Tables, files and figures of a small competition."""

import io
import math
import pathlib

import pandas as pd
import pytest
from rich import console as console_lib

from algoperf import spec
import scoring
from scoring import report, sentences
from tests.scoring import logs_on_disk

TIMES = {
  'fast_one': {'mnist_resnet': 20.0, 'shakespeare_lm': 40.0},
  'slow[bold]': {'mnist_resnet': 30.0, 'shakespeare_lm': 1234.0},
}
METRICS = {
  'mnist_resnet': ('accuracy', 0.1, 1.0),
  'shakespeare_lm': ('ppl', 300.0, 1.5),
}


@pytest.fixture(scope='module')
def result(tmp_path_factory: pytest.TempPathFactory) -> scoring.Result:
  root = tmp_path_factory.mktemp('logs')
  for submission, times in TIMES.items():
    for workload, time in times.items():
      metric, bad, good = METRICS[workload]
      for study in (1, 2, 3):
        logs_on_disk.write_trial(
          root,
          submission=submission,
          workload=workload,
          study=study,
          metric=metric,
          evaluations=[(1.0, bad), (time / 2, math.nan), (time, good)],
        )
  return scoring.score(root, 'mini', ruleset='self')


def shown(result: scoring.Result, width: int) -> str:
  stream = io.StringIO()
  report.show(result, console_lib.Console(file=stream, width=width))
  return stream.getvalue()


def test_tables_show_scores_times_and_warnings(result: scoring.Result):
  text = shown(result, 120)
  lines = [line.split() for line in text.splitlines()]
  assert ['1', 'fast_one', '0.6667', '0.67–0.67', '2/3', '100%'] in lines
  assert ['2', 'slow[bold]', '0.2778', '0.28–0.28', '1/3', '100%'] in lines
  assert ['fast_one', '20.0', '∞', '40.0'] in lines
  assert ['slow[bold]', '30.0', '∞', '(1,234)'] in lines
  assert 'no trials at all: numerals_wmt: no submission has any' in text
  assert 'not a finite metric: fast_one mnist_resnet study 1 trial 1' in text
  assert '(and 11 more)' in ' '.join(text.split())


def test_speed_ups_and_separation(result: scoring.Result):
  root = pathlib.Path(result.trials['path'][0]).parents[3]
  again = scoring.score(root, 'mini', ruleset='self', reference='slow[bold]')
  text = shown(again, 120)
  # (30 / 20 · 100·1.5 / 100·1.5 · 1234 / 40) ** (1/3); budgets stand for ∞.
  assert f'~{(1.5 * 1234 / 40) ** (1 / 3):.2f}×' in text
  assert 'relative to slow[bold]' in text
  line = sentences.separation(again, ['slow[bold]', 'fast_one'])
  assert line.startswith('fast_one – slow[bold]: 0.3889 ')
  assert line.endswith('told apart already.')
  for names in (['fast_one'], ['fast_one'] * 2, ['fast_one', 'none']):
    with pytest.raises(spec.UsageError, match='--separate takes two of'):
      sentences.separation(again, names)


def test_tables_fit_a_narrow_screen(result: scoring.Result):
  text = shown(result, 58)
  assert max(map(len, text.splitlines())) <= 58
  assert '…' not in text.replace('(…)', '')
  assert text.count('Seconds to target') > 1
  for number in ('20.0', '40.0', '30.0', '(1,234)'):
    assert text.count(f' {number} ') == 1


def test_files_hold_the_frames(result: scoring.Result, tmp_path: pathlib.Path):
  paths = report.write(result, tmp_path / 'new' / 'folder')
  read = {path.stem: pd.read_csv(path) for path in paths}
  assert list(read['scores'].columns) == [
    'rank',
    'submission',
    'score',
    'low',
    'high',
    'rank_low',
    'rank_high',
  ]
  assert list(read['times'].columns) == [
    'submission',
    'workload',
    'study',
    'trial',
    'time',
    'last_miss',
    'status',
    'step',
    'last_miss_step',
  ]
  for name in ('scores', 'studies', 'cells', 'pairs', 'leave_one_out'):
    frame = getattr(result, name).replace('', float('nan'))
    pd.testing.assert_frame_equal(
      read[name], frame, check_dtype=False, check_categorical=False
    )
  first = read['times'].iloc[0].tolist()
  assert first == ['fast_one', 'mnist_resnet', 1, 1, 20, 10, 'reached', 21, 11]
  profiles = read['profiles'].groupby('submission')['fraction'].max()
  assert profiles.tolist() == pytest.approx([2 / 3, 1 / 3])
  assert len(read['warnings']) == len(result.warnings)
