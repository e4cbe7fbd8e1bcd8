"""A corpus of damaged logs, each of them named with its file and line."""

import gzip
import math
import pathlib

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

import scoring
from scoring import bulk, damage, layout, logs
from tests.scoring import logs_on_disk

METRIC = 'ppl'
# Five evaluations, on lines 2 to 6.
GOOD = b"""\
global_step,accumulated_submission_time,validation/ppl,test/ppl,preemption_count
1,1.5,90.0,91.0,0
20,2.5,50.25,51.0,0
40,4.0,30.5,31.0,0
60,6.0,20.125,21.0,0
80,8.5,10.0,11.0,0
"""
# The same with the metric in the last column.
METRIC_LAST = b''.join(
  b','.join(line.split(b',')[:3]) + b'\n' for line in GOOD.splitlines()
)
HEADER, *ROWS = GOOD.splitlines(keepends=True)
ALL = len(ROWS)
DAMAGED, CUT = 'damaged log', 'cut off log'
TWICE, WILD = 'duplicated row', 'not a finite metric'


def put(old: bytes, new: bytes) -> bytes:
  """The good log with something else at one place."""
  assert GOOD.count(old) == 1
  return GOOD.replace(old, new)


def row(line: int, new: bytes) -> bytes:
  """The good log with another line, or several, at the place of one."""
  lines = GOOD.splitlines(keepends=True)
  return b''.join(lines[: line - 1]) + new + b''.join(lines[line:])


# name: content, kind, line, how many evaluations count.
CORPUS: dict[str, tuple[bytes, str, int | None, int]] = {
  # Cut off.
  'metric perhaps cut': (METRIC_LAST[:-2], CUT, 6, 5),
  'half a number': (GOOD[: -len(b'0.0,11.0,0\n')], CUT, 6, 4),
  'half a row': (GOOD[: GOOD.index(b'31.0')], CUT, 4, 2),
  'one byte of a row': (HEADER + ROWS[0] + b'2', CUT, 3, 1),
  'first row cut': (HEADER + ROWS[0][:5], CUT, 2, 0),
  'cut after a minus': (HEADER + ROWS[0] + b'20,2.5,-', CUT, 3, 1),
  'cut in a quotation': (HEADER + ROWS[0] + b'20,2.5,"50', CUT, 3, 1),
  'cut Windows line': (GOOD.replace(b'\n', b'\r\n')[:-9], CUT, 6, 4),
  # Nothing there.
  'empty': (b'', DAMAGED, 1, 0),
  'only newlines': (b'\n\n\n', DAMAGED, 1, 0),
  'header only': (HEADER, DAMAGED, 1, 0),
  'header, cut': (HEADER[:-1], DAMAGED, 1, 0),
  'half a header': (HEADER[:20], DAMAGED, 1, 0),
  # Columns.
  'no metric': (put(b'validation/ppl', b'validation/loss'), DAMAGED, 1, 0),
  'no time': (put(b'accumulated_submission_time', b'time'), DAMAGED, 1, 0),
  'no step': (put(b'global_step', b'step'), DAMAGED, 1, 0),
  'no header': (b''.join(ROWS), DAMAGED, 1, 0),
  'metric twice': (put(b'test/ppl', b'validation/ppl'), DAMAGED, 1, 0),
  'time twice': (
    put(b'preemption_count', b'accumulated_submission_time'), DAMAGED, 1, 0,
  ),
  'test metric twice': (put(b'preemption_count', b'test/ppl'), DAMAGED, 1, 0),
  'semicolons': (GOOD.replace(b',', b';'), DAMAGED, 1, 0),
  # Cells.
  'too few cells': (row(4, b'40,4.0,30.5\n'), DAMAGED, 4, 2),
  'too many cells': (row(4, b'40,4.0,30.5,31.0,0,0\n'), DAMAGED, 4, 2),
  'one cell': (row(2, b'oops\n'), DAMAGED, 2, 0),
  'two rows in one': (row(3, ROWS[1][:-1] + ROWS[2]), DAMAGED, 3, 1),
  'a comma for a point': (put(b'50.25', b'50,25'), DAMAGED, 3, 1),
  'a word for a metric': (put(b'30.5', b'oops'), DAMAGED, 4, 2),
  'a letter in a number': (put(b'30.5', b'3O.5'), DAMAGED, 4, 2),
  'an underscore': (put(b'30.5', b'3_0.5'), DAMAGED, 4, 2),
  'a word for a step': (put(b'\n60', b'\nsixty'), DAMAGED, 5, 3),
  'a word for a test metric': (put(b'21.0', b'None'), DAMAGED, 5, 3),
  'null': (put(b'30.5', b'NULL'), DAMAGED, 4, 2),
  'a list': (put(b'30.5', b'[30.5]'), DAMAGED, 4, 2),
  'nan(1)': (put(b'30.5', b'nan(1)'), DAMAGED, 4, 2),
  'a blank': (put(b'30.5', b' '), DAMAGED, 4, 2),
  'an open quotation': (put(b'30.5', b'"30.5'), DAMAGED, 4, 2),
  'a broken quotation': (put(b'30.5', b'"30"5'), DAMAGED, 4, 2),
  'the header again': (GOOD + HEADER + GOOD, DAMAGED, 7, 5),
  'the log again': (GOOD + b''.join(ROWS), DAMAGED, 7, 5),
  'a gigantic word': (put(b'30.5', b'x' * 300_000), DAMAGED, 4, 2),
  'a gigantic quotation': (
    put(b'30.5', b'"' + b'3' * 300_000 + b'"'), DAMAGED, 4, 2,
  ),
  'a gigantic row': (row(4, b'1,' * 600_000 + b'\n'), DAMAGED, 4, 2),
  'a gigantic line': (GOOD + b'1' * 2_000_000, CUT, 7, 5),
  # Bytes.
  'NUL in a cell': (put(b'30.5', b'30\x005'), DAMAGED, 4, 2),
  'NUL in another cell': (row(4, b'40,4.0,30.5,31.0,\0\n'), DAMAGED, 4, 2),
  'NUL at the end': (GOOD + b'\0' * 4096, CUT, 7, 5),
  'a block of NUL': (row(4, b'\0' * 512 + ROWS[3]), DAMAGED, 4, 2),
  'NUL only': (b'\0' * 100, DAMAGED, 1, 0),
  'no UTF-8': (put(b'30.5', b'\xff\xfe'), DAMAGED, 4, 2),
  'no UTF-8 elsewhere': (row(4, b'40,4.0,30.5,31.0,\xe9\n'), DAMAGED, 4, 2),
  'UTF-16': (GOOD.decode().encode('utf-16'), DAMAGED, 1, 0),
  'compressed': (gzip.compress(GOOD), DAMAGED, 1, 0),
  'old Macintosh lines': (GOOD.replace(b'\n', b'\r'), DAMAGED, 1, 0),
  'one carriage return': (put(b'30.5', b'30.5\r'), DAMAGED, 4, 2),
  # Times and steps.
  'time is NaN': (put(b'4.0', b'nan'), DAMAGED, 4, 2),
  'time is empty': (put(b'4.0', b''), DAMAGED, 4, 2),
  'time is infinite': (put(b'8.5', b'inf'), DAMAGED, 6, 4),
  'time is negative': (put(b'1.5', b'-1.5'), DAMAGED, 2, 0),
  'time runs backwards': (put(b'4.0', b'2.25'), DAMAGED, 4, 2),
  'time starts anew': (put(b'6.0', b'0.0'), DAMAGED, 5, 3),
  'step runs backwards': (put(b'\n60', b'\n39'), DAMAGED, 5, 3),
  'step is NaN': (put(b'\n60', b'\nnan'), DAMAGED, 5, 3),
  'step is infinite': (put(b'\n80', b'\ninf'), DAMAGED, 6, 4),
  'step is negative': (put(b'\n1,', b'\n-1,'), DAMAGED, 2, 0),
  # Rows that come again.
  'a row twice': (row(4, ROWS[2] * 2), TWICE, 5, 5),
  'every row twice': (
    HEADER + b''.join(r * 2 for r in ROWS), TWICE, 3, 5,
  ),
  'last row twice': (GOOD + ROWS[4], TWICE, 7, 5),
  'a row twice with NaN': (
    row(4, b'40,4.0,30.5,nan,0\n' * 2), TWICE, 5, 5,
  ),
  'other values at a time': (
    row(4, ROWS[2] + b'40,4.0,9.5,31.0,0\n'), DAMAGED, 5, 3,
  ),
  # Metrics.
  'metric is NaN': (put(b'30.5', b'nan'), WILD, 4, 5),
  'metric is empty': (put(b'30.5', b''), WILD, 4, 5),
  'metric is infinite': (put(b'10.0', b'-inf'), WILD, 6, 5),
  'metric overflows': (put(b'30.5', b'1e999'), WILD, 4, 5),
  'all metrics are NaN': (
    HEADER + b''.join(b'%d,%d,NaN,1,0\n' % (i, i) for i in range(9)),
    WILD, 2, 9,
  ),
}  # fmt: skip
# Unusual, but nothing is wrong with them.
HARMLESS = {
  'no last newline': GOOD[:-1],
  'Windows lines': GOOD.replace(b'\n', b'\r\n'),
  'mixed lines': put(b'51.0,0\n', b'51.0,0\r\n'),
  'a mark at the start': b'\xef\xbb\xbf' + GOOD,
  'blank lines': GOOD.replace(b'\n', b'\n\n'),
  'blank lines at the end': GOOD + b'\n\r\n',
  'quotations': GOOD.replace(b'90.0', b'"90.0"'),
  'quoted names': HEADER.replace(b'global_step', b'"global_step"')
  + b''.join(ROWS),
  'text in another column': put(b'31.0,0', '31.0,µ "'.encode()[:-1] + b'x'),
  'a name twice, of no use': GOOD.replace(b'preemption_count', b'a,a').replace(
    b',0\n', b',0,0\n'
  ),
  'blanks around a number': put(b'30.5', b' 30.5 '),
  'a plus': put(b'30.5', b'+30.5'),
}


def trial_with(
  root: pathlib.Path, content: bytes, workload: str = 'lm'
) -> pathlib.Path:
  path = logs_on_disk.write_trial(root, submission='hurt', workload=workload)
  (path / layout.LOG).write_bytes(content)
  return path


def read_all(root: pathlib.Path) -> logs.Logs:
  return logs.read(layout.find([root])[0], {'lm': METRIC})


def evaluations(found: logs.Logs, trial: int) -> np.ndarray:
  rows = slice(*found.starts_T1[trial : trial + 2])
  return np.array(
    [found.time_N[rows], found.step_N[rows], found.validation_N[rows]]
  )


@pytest.fixture(scope='module')
def healthy(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """Trials of submissions that stand before and after the damaged one."""
  root = tmp_path_factory.mktemp('healthy')
  for submission in ('adam', 'zen'):
    for trial in (1, 2):
      path = logs_on_disk.write_trial(root, submission=submission, trial=trial)
      (path / layout.LOG).write_bytes(GOOD)
  return root


def test_the_corpus_is_large():
  assert len(CORPUS) >= 60
  assert len({content for content, *_ in CORPUS.values()}) == len(CORPUS)


@pytest.mark.parametrize('name', CORPUS)
def test_damage_is_reported_and_hurts_nobody_else(
  tmp_path: pathlib.Path, healthy: pathlib.Path, name: str
):
  content, kind, line, count = CORPUS[name]
  path = trial_with(tmp_path, content)
  trials, noticed, _ = layout.find([tmp_path, healthy])
  assert noticed == []
  found = logs.read(trials, {'lm': METRIC})
  assert [(n.kind, n.submission, n.path, n.line) for n in found.notices] == [
    (kind, 'hurt', str(path / layout.LOG), line)
  ]
  assert len(found.notices[0].message) < 200
  submissions = ['adam', 'adam', 'hurt', 'zen', 'zen']
  assert logs_on_disk.table(found)['submission'].tolist() == submissions
  assert logs_on_disk.table(found)['evaluations'].tolist() == [
    5,
    5,
    count,
    5,
    5,
  ]
  status = '' if count else 'damaged'
  assert logs_on_disk.table(found)['status'].tolist() == [
    '',
    '',
    status,
    '',
    '',
  ]
  expected = [[1.5, 2.5, 4, 6, 8.5], [1, 20, 40, 60, 80]]
  for trial in (0, 1, 3, 4):
    values = evaluations(found, trial)
    np.testing.assert_array_equal(values[:2], expected)
    np.testing.assert_array_equal(values[2], [90, 50.25, 30.5, 20.125, 10])
  if kind in (DAMAGED, CUT, TWICE):
    np.testing.assert_array_equal(
      evaluations(found, 2), evaluations(found, 0)[:, :count]
    )


def test_damage_changes_no_score_but_its_own(tmp_path: pathlib.Path):
  """Whole competitions with a third, slowest submission, damaged or not."""
  for submission, factor in (('a', 1.0), ('b', 2.0)):
    logs_on_disk.write_trial(
      tmp_path / 'others',
      submission=submission,
      workload='shakespeare_lm',
      evaluations=[(factor, 9.0), (2 * factor, 1.0)],
    )

  def score(content: bytes) -> dict[str, float]:
    trial_with(tmp_path / str(len(seen)), content, 'shakespeare_lm')
    result = scoring.score(
      [tmp_path / 'others', tmp_path / str(len(seen))],
      'mini',
      workloads=['shakespeare_lm'],
      resamples=1,
    )
    return result.scores.set_index('submission')['score'].to_dict()

  seen: list[dict[str, float]] = []
  for content, *_ in [(GOOD,), *CORPUS.values()]:
    seen.append(score(content))
  assert seen[0].keys() == {'a', 'b', 'hurt'}
  for scores in seen:
    assert scores['a'] == seen[0]['a'] == 1.0
    assert scores['b'] == seen[0]['b'] == pytest.approx(2 / 3)


@pytest.mark.parametrize('name', HARMLESS)
def test_what_is_unusual_counts(tmp_path: pathlib.Path, name: str):
  trial_with(tmp_path, HARMLESS[name])
  found = read_all(tmp_path)
  assert found.notices == []
  times, steps, values = evaluations(found, 0).tolist()
  assert times == [1.5, 2.5, 4, 6, 8.5]
  assert steps == [1, 20, 40, 60, 80]
  assert values == [90, 50.25, 30.5, 20.125, 10]


def test_a_missing_log_is_reported(tmp_path: pathlib.Path):
  path = trial_with(tmp_path, GOOD) / layout.LOG
  path.unlink()
  found = read_all(tmp_path)
  assert logs_on_disk.table(found)['status'].tolist() == ['missing']
  assert [(n.kind, n.path, n.line) for n in found.notices] == [
    ('missing log', str(path), None)
  ]


def test_a_log_may_have_several_faults(tmp_path: pathlib.Path):
  rows = [ROWS[0], b'2,2,nan,,0\n', b'2,2,nan,,0\n', b'\n', ROWS[3], b'9,9,9']
  trial_with(tmp_path, HEADER + b''.join(rows[:4]) + ROWS[3] + b'80,9,inf,,\n7')
  found = read_all(tmp_path)
  assert sorted((n.line, n.kind) for n in found.notices) == [
    (3, WILD),
    (4, TWICE),
    (8, CUT),
  ]
  assert logs_on_disk.table(found)['evaluations'].tolist() == [4]
  assert {n.message.split(' ')[0] for n in found.notices if n.kind == WILD} == {
    '2'
  }


def careful(content: bytes) -> list[damage.Row]:
  """The rows that count, which both readers must agree on."""
  rows, findings = damage.read(content, METRIC)
  (values_CxR,) = bulk.read([content], METRIC)
  if values_CxR is not None:
    assert not findings
    np.testing.assert_array_equal(values_CxR.T, list(rows.values()))
  for time, step, *_ in rows.values():
    assert 0 <= time < math.inf and 0 <= step < math.inf
  return list(rows.values())


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60), st.sampled_from([b'', HEADER, GOOD, GOOD[:150]]))
def test_any_bytes_can_be_read(content: bytes, before: bytes):
  rows = careful(before + content)
  whole = careful(GOOD)[: max(before.count(b'\n') - 1, 0)]
  assert rows[: len(whole)] == whole


@settings(deadline=None, max_examples=300)
@given(st.integers(len(HEADER), len(GOOD) - 1), st.integers(0, 255))
def test_what_stands_before_a_changed_byte_counts(at: int, byte: int):
  rows = careful(GOOD[:at] + bytes([byte]) + GOOD[at + 1 :])
  untouched = GOOD[:at].count(b'\n') - 1
  assert rows[:untouched] == careful(GOOD)[:untouched]


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(GOOD)))
def test_what_stands_before_a_cut_counts(at: int):
  whole = max(GOOD[:at].count(b'\n') - 1, 0)
  rows = careful(GOOD[:at])
  assert rows == careful(GOOD)[: len(rows)]
  # A row counts without its newline if it has all its cells.
  complete = GOOD[:at].rpartition(b'\n')[2].count(b',') == 4 and at > len(
    HEADER
  )
  assert len(rows) == whole + complete
