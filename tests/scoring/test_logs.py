"""Reading regular logs, and what lies beside them."""

import json
import math
import os
import pathlib

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from scoring import bulk, damage, layout, logs
from tests.scoring import logs_on_disk

NAN, INF = math.nan, math.inf
METRIC = 'accuracy'
NAMES = list(damage.columns(METRIC))
OTHERS = ['score', 'train/loss', 'accumulated_eval_time', 'validation/wer']
CPU = {
  'platform': 'cpu',
  'cpu': 'Xeon  @ 2.50GHz ',
  'cores': 2,
  'device': 'cpu',
}
GPUS = {'platform': 'gpu', 'device': 'Tesla V100', 'devices': 8, 'cpu': 'Xeon'}


def same_bits(one: list, other: list) -> bool:
  """Whether all numbers are the same; -0.0 is not 0.0, any NaN is NaN."""
  return [list(map(repr, row)) for row in one] == [
    list(map(repr, row)) for row in other
  ]


@st.composite
def regular_logs(draw: st.DrawFn) -> tuple[bytes, list[tuple[float, ...]]]:
  """A log in any column order, and the numbers in it."""
  optional = draw(st.sets(st.sampled_from(NAMES[3:] + OTHERS)))
  names = draw(st.permutations(NAMES[:3] + sorted(optional)))
  count = draw(st.integers(1, 5))
  finite = st.floats(0, 1e300)
  times = sorted(draw(st.sets(finite, min_size=count, max_size=count)))
  steps = sorted(draw(st.lists(finite, min_size=count, max_size=count)))
  newline = draw(st.sampled_from(['\n', '\r\n']))
  lines, rows = [','.join(names)], []
  for time, step in zip(times, steps, strict=True):
    row = {name: draw(st.floats()) for name in names}
    row |= {NAMES[0]: time, NAMES[1]: step}
    empty = draw(st.booleans()) and names[-1] not in NAMES[:2]
    if empty:
      row[names[-1]] = NAN
    cells = [repr(row[name]) for name in names]
    lines.append(','.join([*cells[:-1], '' if empty else cells[-1]]))
    rows.append(tuple(row.get(name, NAN) for name in NAMES))
  return ''.join(line + newline for line in lines).encode(), rows


@settings(deadline=None)
@given(st.lists(regular_logs(), min_size=1, max_size=4))
def test_both_readers_read_the_same_to_the_last_bit(
  written: list[tuple[bytes, list[tuple[float, ...]]]],
):
  contents = [content for content, _ in written]
  for (content, rows), values_CxR in zip(
    written, bulk.read(contents, METRIC), strict=True
  ):
    assert same_bits(values_CxR.T.tolist(), rows)
    careful, findings = damage.read(content, METRIC)
    assert same_bits(list(careful.values()), rows)
    assert list(careful) == list(range(2, 2 + len(rows)))
    assert findings == []


CELLS = st.one_of(
  st.text('0123456789.eE+-', max_size=9),
  st.text('naif()tyNAIF10 \t_-', max_size=6),
  st.floats(allow_nan=False).map(lambda x: f'{x:.25e}'),
  st.sampled_from(
    ['1e400', '-1e999', '1e-400', '5e-324', '2.4e-324', '0.1', 'NULL', 'NA']
    + ['nan(1)', '-nan', '+inf', 'INFINITY', '0x1p3', '1_0', '1.', '.5', '-.']
    + ['9007199254740993', '1.7976931348623159e308', '1' * 400, ' 1', '1\v']
    + ['', ' ', '١', '1\u00a0', '1,2', '1\r', '"1"', '1\n', '#1', '1\x00']
  ),
)


@settings(deadline=None, max_examples=400)
@given(CELLS, CELLS, CELLS)
def test_what_the_fast_reader_takes_the_careful_one_takes_too(
  validation: str, test: str, other: str
):
  names = [*NAMES[:3], NAMES[4], 'other']
  cells = ['1.5', '1', validation, test, other]
  content = f'{",".join(names)}\n{",".join(cells)}\n'.encode()
  (values_CxR,) = bulk.read([content], METRIC)
  rows, findings = damage.read(content, METRIC)
  if values_CxR is not None:
    assert same_bits(values_CxR.T.tolist(), list(rows.values()))
    assert findings == []
  elif rows and not findings:  # It need not take all that it might.
    odd = set('"(+_\0\r\n') | set('xX')
    assert (
      not content.isascii()
      or odd & set(''.join(cells))
      or any(cell != cell.strip() or cell == '' for cell in cells)
    )


GOOD = b'accumulated_submission_time,global_step,validation/accuracy\n1,1,0.5\n'


@settings(deadline=None, max_examples=50)
@given(
  st.lists(
    st.sampled_from([GOOD, GOOD + b'"', GOOD[:-1], GOOD * 2]), max_size=9
  )
)
def test_irregular_logs_do_not_change_their_neighbours(contents: list[bytes]):
  found = bulk.read(contents, METRIC)
  assert [values is not None for values in found] == [
    content == GOOD for content in contents
  ]
  for values in found:
    assert values is None or values[:3, 0].tolist() == [1, 1, 0.5]


def read_below(root: pathlib.Path, **metrics: str) -> logs.Logs:
  return logs.read(layout.find([root])[0], metrics)


def test_reads_in_order(tmp_path: pathlib.Path):
  for submission, workload, study, trial, metric, values in (
    ('b', 'lm', 1, 1, 'ppl', [(1.5, 90.0)]),
    ('a', 'vit', 1, 1, 'accuracy', [(2.0, 0.1), (4.0, 0.2), (6.0, NAN)]),
    ('a', 'other', 1, 1, 'ppl', [(9.0, 9.0)]),
    ('a', 'lm', 10, 1, 'ppl', [(3.0, 30.0), (5.0, 10.0)]),
    ('a', 'lm', 2, 3, 'ppl', [(7.0, 50.0)]),
    ('a', 'lm', 2, 1, 'ppl', []),
  ):
    logs_on_disk.write_trial(
      tmp_path,
      submission=submission,
      workload=workload,
      study=study,
      trial=trial,
      metric=metric,
      evaluations=values,
      extra={f'test/{metric}': 0.25} if submission == 'a' else None,
    )
  (tmp_path / 'b/study_1/lm_jax/trial_2').mkdir()
  found = read_below(tmp_path, vit='accuracy', lm='ppl', none='ssim')
  frame = logs_on_disk.table(found)
  names = ['submission', 'workload', 'study', 'trial', 'status', 'evaluations']
  assert frame[names].to_numpy().tolist() == [
    ['a', 'lm', 2, 1, 'damaged', 0],
    ['a', 'lm', 2, 3, '', 1],
    ['a', 'lm', 10, 1, '', 2],
    ['a', 'vit', 1, 1, '', 3],
    ['b', 'lm', 1, 1, '', 1],
    ['b', 'lm', 1, 2, 'missing', 0],
  ]
  assert frame['path'][5] == str(tmp_path / 'b/study_1/lm_jax/trial_2')
  assert found.starts_T1.tolist() == [0, 0, 1, 3, 6, 7, 7]
  assert found.starts_T1.dtype == np.int64
  assert found.time_N.tolist() == [7, 3, 5, 2, 4, 6, 1.5]
  assert found.step_N.tolist() == [1, 1, 11, 1, 11, 21, 1]
  np.testing.assert_array_equal(
    found.validation_N, [50, 30, 10, 0.1, 0.2, NAN, 90]
  )
  assert np.isnan(found.train_N).all()
  np.testing.assert_array_equal(found.test_N, [0.25] * 6 + [NAN])
  assert [(n.kind, n.submission, n.line) for n in found.notices] == [
    ('damaged log', 'a', 1),
    ('missing log', 'b', None),
    ('not a finite metric', 'a', 4),
  ]


def test_reads_no_trials():
  found = logs.read([], {'lm': 'ppl'})
  assert len(logs_on_disk.table(found)) == 0
  assert found.starts_T1.tolist() == [0]
  assert len(found.time_N) == 0
  assert found.notices == []


def test_reads_what_is_no_file(tmp_path: pathlib.Path):
  for number in range(1, 5):
    path = logs_on_disk.write_trial(tmp_path, trial=number)
    (path / layout.LOG).unlink()
    if number == 1:
      (path / layout.LOG).mkdir()
    elif number == 2:
      os.mkfifo(path / layout.LOG)
    elif number == 3:
      (path / layout.LOG).symlink_to(layout.LOG)
  found = read_below(tmp_path, lm='ppl')
  assert logs_on_disk.table(found)['status'].tolist() == ['damaged'] * 3 + [
    'missing'
  ]
  assert len(found.notices) == 4
  for notice in found.notices:
    assert notice.path.endswith(f'trial_{notice.trial}/{layout.LOG}')


def test_reads_what_it_may_not(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
  logs_on_disk.write_trial(tmp_path, evaluations=[(1.0, 2.0)])
  trials, *_ = layout.find([tmp_path])

  def denied(*_: object) -> None:
    raise PermissionError(13, 'Permission denied')

  monkeypatch.setattr(os, 'open', denied)
  found = logs.read(trials, {'lm': 'ppl'})
  assert logs_on_disk.table(found)['status'].tolist() == ['damaged']
  assert 'Permission denied' in found.notices[0].message


@pytest.mark.parametrize(
  ('name', 'content', 'text'),
  [
    ('trial.json', {'hardware': CPU}, 'cpu: Xeon @ 2.50GHz, 2 cores'),
    ('trial.json', {'hardware': GPUS}, '8 × Tesla V100'),
    *(
      ('trial.json', {'hardware': GPUS | {'precision': precision}}, text)
      for precision, text in (
        ('tensorfloat32', '8 × Tesla V100, tensorfloat32'),
        ('float32', '8 × Tesla V100'),
        (3, '8 × Tesla V100'),
        ([], '8 × Tesla V100'),
      )
    ),
    ('trial.json', {'hardware': None}, ''),
    ('trial.json', {'hardware': {'device': 3}}, ''),
    (
      'meta_data_0.json',
      {'gpu_model_name': 'A100', 'gpu_count': 4},
      '4 × A100',
    ),
    (
      'meta_data_0.json',
      {'x.gpu_model_name': 'A', 'x.gpu_count': '2'},
      '2 × A',
    ),
    ('meta_data_0.json', {'gpu_model_name': 'A100'}, 'A100'),
    (
      'meta_data_0.json',
      {'cpu_model_name': 'Xeon', 'cpu_count': 24, 'gpu_model_name': None},
      '',
    ),
    ('meta_data_0.json', {'gpu_model_name': ['A100']}, ''),
    ('meta_data_0.json', [], ''),
    ('meta_data_0.json', {'gpu_model_name': 'A', 'gpu_count': '9' * 5000}, 'A'),
  ],
)
def test_names_the_machine(
  tmp_path: pathlib.Path, name: str, content: object, text: str
):
  path = logs_on_disk.write_trial(tmp_path, evaluations=[(1.0, 2.0)])
  (path / name).write_text(json.dumps(content))
  found = read_below(tmp_path, lm='ppl')
  assert logs_on_disk.table(found)['hardware'].tolist() == [text]
  assert found.notices == []


def test_reads_trial_json(tmp_path: pathlib.Path):
  path = logs_on_disk.write_trial(tmp_path, evaluations=[(1.0, 2.0)])
  details = {'status': 'failed', 'benchmark': 'mini', 'benchmark_digest': 'f0'}
  (path / 'trial.json').write_text(json.dumps(details | {'hardware': GPUS}))
  logs_on_disk.write_trial(tmp_path, trial=2, evaluations=[(1.0, 2.0)])
  found = read_below(tmp_path, lm='ppl')
  names = ['ended', 'benchmark', 'benchmark_digest', 'hardware']
  assert logs_on_disk.table(found)[names].to_numpy().tolist() == [
    ['failed', 'mini', 'f0', '8 × Tesla V100'],
    ['', '', '', ''],
  ]


def test_reads_halves_of_characters(tmp_path: pathlib.Path):
  path = logs_on_disk.write_trial(tmp_path, evaluations=[(1.0, 2.0)])
  (path / 'trial.json').write_text(
    '{"status": "fertig \\ud800", "benchmark": 3}'
  )
  found = read_below(tmp_path, lm='ppl')
  assert logs_on_disk.table(found)['ended'].tolist() == ['fertig ?']
  assert logs_on_disk.table(found)['benchmark'].tolist() == ['']


@pytest.mark.parametrize(
  'content',
  [b'{"status": ', b'[1]', b'', b'\xff\xfe', b'[' * 100_000, b'3', b'\0'],
)
def test_counts_logs_with_a_damaged_trial_json(
  tmp_path: pathlib.Path, content: bytes
):
  path = logs_on_disk.write_trial(tmp_path, evaluations=[(1.0, 2.0)])
  (path / 'trial.json').write_bytes(content)
  found = read_below(tmp_path, lm='ppl')
  assert logs_on_disk.table(found)[
    ['status', 'evaluations', 'ended']
  ].to_numpy().tolist() == [['', 1, '']]
  assert [(n.kind, n.path) for n in found.notices] == [
    ('damaged trial.json', str(path / 'trial.json'))
  ]
  assert '\n' not in found.notices[0].message
