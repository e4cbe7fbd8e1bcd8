"""Published boards: reading, writing, refusing; the one that ships, rebuilt."""

import collections
from collections.abc import Callable
import dataclasses
import hashlib
import itertools
import json
import math
import pathlib
import subprocess
import sys
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest

from algoperf import benchmark as benchmark_lib
from algoperf import sources, spec
import scoring
from scoring import (
  boards,
  bootstrap,
  html,
  plots,
  publish,
  published,
  question,
  report,
  studies,
)
from scoring import rows as rows_lib
from tests import scripts
from tests.scoring import logs_on_disk

MakeBoard = Callable[..., None]
INF = math.inf
ROOT = pathlib.Path(__file__).parents[2]
LOGS = (
  pathlib.Path(__file__).parents[3]
  / 'shared/published/algoperf_v05_external_logs.tar.xz'
)
SHIPPED = ROOT / 'scoring/published/algoperf-0.5-external.csv'
SCORES = {  # From the logs themselves.
  'shampoo_submission': 0.7785124316,
  'schedule_free_adamw': 0.7062013448,
  'generalized_adam': 0.6370423758,
  'cyclic_lr': 0.6289004977,
  'nadamp': 0.5899184543,
  'baseline': 0.5692871541,
  'amos': 0.4915252724,
  'caspr_adaptive': 0.4721748868,
  'lawa_queue': 0.3703947857,
  'lawa_ema': 0.3430929026,
  'schedule_free_prodigy': 0.0,
}


def board(rows: list[tuple]) -> boards.Board:
  """A board of rows (submission, workload, study, time, last_miss, step...)."""
  return boards.Board(
    benchmark='toy',
    ruleset='external',
    study='least_time',
    hardware='2 × "fast" GPU',
    source='made up\\here',
    sha256='',
    licence='none',
    date='2026-11-22',
    command="scripts/published_table 'my logs'",
    targets={'vit': 'accuracy >= 0.5', 'lm': 'ppl <= 5'},
    studies=[
      studies.Study(**dict(zip(published.COLUMNS, row, strict=True)))
      for row in rows
    ],
  )


ROWS = [
  ('a', 'vit', 0, 12.5, 10.25, 100.0, 80.0, 2, 5, 3),
  ('a', 'vit', 1, INF, 90.0, INF, 700.0, None, 5, 0),
  ('a,b', 'lm', 0, 1e5 / 3, 1e5 / 7, 1e6, 0.0, 1, 5, 5),
]
SECONDS = st.floats(0, 1e6)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=5))
def test_a_board_is_read_as_it_was_written(
  tmp_path_factory: pytest.TempPathFactory, times: list[tuple[float, float]]
):
  rows = [
    ('a', 'vit', i, max(pair), min(pair), 7.0, 3.0, 1, 5, 2)
    for i, pair in enumerate(times)
  ]
  before = board([*ROWS[2:], *rows])
  path = tmp_path_factory.mktemp('board') / 'board.csv'
  paths = published.write(before, path)
  after = published.load(path, 'external')
  for field in dataclasses.fields(boards.Board):
    if field.name != 'studies':
      assert getattr(after, field.name) == getattr(before, field.name)
  frames = (
    rows_lib.frame(studies.Study, some.studies, studies.COLUMNS)
    for some in (after, before)
  )
  pd.testing.assert_frame_equal(
    *(
      frame.sort_values(['submission', 'study'], ignore_index=True)
      for frame in frames
    ),
    rtol=0,
    atol=6e-7,  # Six decimals of seconds.
  )
  written = [file.read_bytes() for file in paths]
  published.write(after, path)
  assert [file.read_bytes() for file in paths] == written


def test_what_was_not_reached_stays_infinite(tmp_path: pathlib.Path):
  published.write(board(ROWS), tmp_path / 'b.csv')
  text = (tmp_path / 'b.csv').read_text()
  assert text.splitlines()[1:3] == [
    'a,vit,0,12.5,10.25,100,80,2,5,3',
    'a,vit,1,inf,90,inf,700,,5,0',
  ]
  _, study, _ = published.load(tmp_path / 'b.csv', 'external').studies
  assert study.time == INF
  assert study.trial is None


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    ('last_miss_step', 'last_step', r'b.csv has no column last_miss_step'),
    ('12.5', '-1', r'b.csv, line 2: a negative number or none'),
    ('12.5', 'nan', r'b.csv, line 2: a negative number or none'),
    ('12.5', '10', r'b.csv, line 2: a time before its last miss'),
    ('12.5', 'soon', r'cannot read the published board .*b.csv: .*soon'),
    ('vit,1', 'vit,0', r'b.csv, line 3: the same study twice'),
    ('a,vit', 'a,mlp', r'b.csv, line 2: a workload without a target'),
  ],
)
def test_damaged_tables_are_refused(
  tmp_path: pathlib.Path, old: str, new: str, message: str
):
  path, _ = published.write(board(ROWS), tmp_path / 'b.csv')
  path.write_text(path.read_text().replace(old, new))
  with pytest.raises(spec.UsageError, match=message):
    published.load(path, 'external')


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    ('hardware', 'machine', r'b.toml: hardware is missing'),
    ('[targets]', 'extra = 1\n[targets]', r'b.toml: extra is no key'),
    ('"none"', '1', r'b.toml: licence is no text'),
    ('[targets]', '[targets', r'cannot read the published board .*b.toml'),
  ],
)
def test_damaged_descriptions_are_refused(
  tmp_path: pathlib.Path, old: str, new: str, message: str
):
  path, about = published.write(board(ROWS), tmp_path / 'b.csv')
  about.write_text(about.read_text().replace(old, new))
  with pytest.raises(spec.UsageError, match=message):
    published.load(path, 'external')


def test_unknown_boards_are_refused_with_what_there_is(tmp_path: pathlib.Path):
  with pytest.raises(spec.UsageError, match=r'algoperf-0\.5-external'):
    published.load('algoperf-0.7', 'external')
  with pytest.raises(spec.UsageError, match=r'algoperf-0\.5-external'):
    published.load('algoperf-0.5', 'self')
  with pytest.raises(spec.UsageError, match=r'cannot read .*none\.csv'):
    published.load(tmp_path / 'none.csv', 'external')
  path, _ = published.write(board(ROWS), tmp_path / 'b.csv')
  with pytest.raises(spec.UsageError, match='score by --ruleset=external'):
    published.load(path, 'self')


def test_other_targets_are_refused():
  benchmark = benchmark_lib.load('algoperf-0.5')
  names = ('wmt', 'ogbg')
  ours = dataclasses.replace(
    board(ROWS), targets=boards.targets(benchmark, names)
  )
  ours.check(benchmark, ('wmt',))
  with pytest.raises(spec.UsageError, match='has no criteo1tb: score'):
    ours.check(benchmark, ('criteo1tb',))
  other = dataclasses.replace(ours, targets={'wmt': 'bleu >= 30.0'})
  with pytest.raises(spec.UsageError, match=r'bleu >= 30.0, but .* 30\.8491'):
    other.check(benchmark, ('wmt',))


_MINI = {  # Metric and values that miss and hit.
  'mnist_resnet': ('accuracy', 0.9, 0.99),
  'numerals_wmt': ('bleu', 10.0, 99.0),
  'shakespeare_lm': ('ppl', 20.0, 1.0),
}


def write_mini(root: pathlib.Path, submissions: str, **changes: object) -> None:
  """Logs of this harness: a study of one trial, each half an hour."""
  details = {
    'status': 'target_reached',
    'hardware': {'platform': 'cpu', 'cpu': 'Some CPU', 'cores': 2},
    'benchmark': 'mini',
    'benchmark_digest': benchmark_lib.load('mini').digest,
    'time': {'wall': 1800.0},
    'started': '2026-11-27T23:50:00+00:00',
    'ended': '2026-11-28T00:20:00+00:00',
  }
  for submission in submissions:
    for workload, (metric, miss, hit) in _MINI.items():
      directory = logs_on_disk.write_trial(
        root,
        submission=submission,
        workload=workload,
        metric=metric,
        evaluations=[(1.0, miss), (10.0 + ord(submission), hit)],
      )
      (directory / 'trial.json').write_text(json.dumps(details | changes))


def test_earlier_logs_take_part_as_a_board_does(tmp_path: pathlib.Path):
  write_mini(tmp_path / 'mine', 'a')
  write_mini(tmp_path / 'earlier', 'b')
  both = scoring.score([tmp_path / 'mine', tmp_path / 'earlier'], 'mini')
  among = scoring.score(tmp_path / 'mine', 'mini', among=tmp_path / 'earlier')
  assert among.scores.equals(both.scores)
  assert among.scores['submission'].tolist() == ['a', 'b']
  assert among.board is None


@pytest.fixture
def make_board(monkeypatch: pytest.MonkeyPatch):
  script = scripts.load('published_table')

  def call(*arguments: object) -> None:
    monkeypatch.setattr('sys.argv', ['published_table', *map(str, arguments)])
    script.main()

  return call


def test_a_board_grows(tmp_path: pathlib.Path, make_board: MakeBoard):
  write_mini(tmp_path / 'first', 'ab')
  write_mini(tmp_path / 'more', 'c')
  path, whole = tmp_path / 'mini.csv', tmp_path / 'whole.csv'
  one = ('--benchmark=mini', '--source=me', '--run=algoperf bench')
  make_board(tmp_path / 'first', *one, f'--output={path}')
  first = published.load(path, 'external')
  assert first.hardware == 'cpu: Some CPU, 2 cores'
  assert first.definition == benchmark_lib.load('mini').digest
  assert first.hours == '3.0 h, 2026-11-27 to 2026-11-28'
  assert first.run == 'algoperf bench'
  more = (tmp_path / 'more', '--source=you', f'--extend={path}')
  make_board(*more)
  grown = published.load(path, 'external')
  assert grown.source == 'me; you'
  assert grown.hours == f'{first.hours}; 1.5 h, 2026-11-27 to 2026-11-28'
  assert grown.command.startswith(first.command)
  assert str(tmp_path) not in grown.command
  # As if all had been made at once.
  write_mini(tmp_path / 'first', 'c')
  make_board(tmp_path / 'first', *one, f'--output={whole}')
  assert path.read_bytes() == whole.read_bytes()
  ranked = scoring.score(tmp_path / 'more', 'mini', among=path)
  assert ranked.scores['submission'].tolist() == [
    'a',
    'b',
    'c',
    'c (published)',
  ]
  assert 'other hardware' not in set(ranked.warnings['kind'])
  with pytest.raises(SystemExit, match='on the board already: c'):
    make_board(*more)


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    ({'hardware': {'platform': 'cpu', 'cpu': 'X', 'cores': 2}}, 'of hardware'),
    ({'benchmark_digest': '1' * 64}, 'of definition'),
    ({'hardware': {}}, 'say --hardware'),
  ],
)
def test_a_board_does_not_grow_by_what_cannot_be_compared(
  tmp_path: pathlib.Path, make_board: MakeBoard, changes: dict, said: str
):
  write_mini(tmp_path / 'first', 'a')
  write_mini(tmp_path / 'more', 'c', **changes)
  path = tmp_path / 'mini.csv'
  make_board(
    tmp_path / 'first', '--benchmark=mini', '--source=me', f'--output={path}'
  )
  before = path.read_bytes()
  with pytest.raises(SystemExit, match=said):
    make_board(tmp_path / 'more', '--source=you', f'--extend={path}')
  assert path.read_bytes() == before


def test_a_board_is_seen_without_logs(
  tmp_path: pathlib.Path, make_board: MakeBoard
):
  """It scores as the logs do that it was made of."""
  write_mini(tmp_path / 'logs', 'ab')
  path = tmp_path / 'mini.csv'
  one = ('--benchmark=mini', '--source=me', f'--output={path}')
  make_board(tmp_path / 'logs', *one)
  result = scoring.score([], 'mini', among=path)
  logs = scoring.score(tmp_path / 'logs', 'mini')
  assert result.scores.equals(logs.scores)
  assert not len(result.trials) and not len(result.curves)
  assert not len(result.warnings)
  page = html.render(result)
  assert 'The published results of mini (me; on cpu: Some CPU, 2 cores)' in page
  assert 'Training curves' not in page and 'Hardware' not in page
  for part in (report, plots, publish):
    assert all(p.stat().st_size for p in part.write(result, tmp_path / 'out'))
  with pytest.raises(spec.UsageError, match='no path given'):
    scoring.score([], 'mini')


def test_boards_of_the_baselines_are_of_the_definition_as_it_is():
  benchmark = benchmark_lib.load('mini')
  timed = set()
  for board, ruleset, best, trials in (
    ('mini', 'external', 'nadamw', 5),
    ('mini-xeon', 'external', 'nadamw', 5),
    ('mini', 'self', 'prodigy_self_tuning', 1),
  ):
    shipped = published.load(board, ruleset)
    shipped.check(benchmark, benchmark.scored)
    assert shipped.definition == benchmark.digest
    reached = collections.Counter(
      study.submission for study in shipped.studies if study.reached
    )
    assert {study.trials for study in shipped.studies} == {trials}
    assert reached[best] == len(benchmark.base)
    timed |= {study.submission for study in shipped.studies}
  assert timed == set(sources.names())


def test_the_shipped_board_gives_the_scores_of_its_logs():
  shipped = published.load('algoperf-0.5', 'external')
  benchmark = benchmark_lib.load('algoperf-0.5')
  shipped.check(benchmark, benchmark.scored)
  pairs = {
    row.name: row.variant_of for row in benchmark.workloads if row.held_out
  }
  columns = question.Columns.of(benchmark.base, pairs)
  times = {(s.submission, s.workload, s.study): s.time for s in shipped.studies}
  submissions = sorted({name for name, *_ in times})
  keys = itertools.product(submissions, columns.names, range(5))
  assert len(times) == len(shipped.studies) == 11 * 14 * 5
  values = np.array([times[key] for key in keys]).reshape(11, 14, 5)
  draws = bootstrap.resample(values, columns, 4.0, resamples=1)
  scores = dict(zip(submissions, draws.scores_S, strict=True))
  assert scores == pytest.approx(SCORES, abs=1e-9)


@pytest.mark.skipif(not LOGS.exists(), reason=f'needs {LOGS.name}')
def test_the_shipped_board_is_rebuilt_from_the_logs(tmp_path: pathlib.Path):
  about = tomllib.loads(SHIPPED.with_suffix('.toml').read_text())
  digest = hashlib.sha256(LOGS.read_bytes()).hexdigest()
  assert about['sha256'] == digest
  output = tmp_path / SHIPPED.name
  subprocess.run(
    [
      sys.executable,
      ROOT / 'scripts/published_table',
      LOGS,
      *(f'--{key}={about[key]}' for key in ('benchmark', 'ruleset', 'date')),
      *(f'--{key}={about[key]}' for key in ('hardware', 'source', 'licence')),
      f'--output={output}',
    ],
    check=True,
  )
  assert output.read_bytes() == SHIPPED.read_bytes()
  rebuilt = tomllib.loads(output.with_suffix('.toml').read_text())
  del about['command'], rebuilt['command']  # It names the output.
  assert rebuilt == about
