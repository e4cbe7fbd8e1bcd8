"""The file: whole or not at all, and which ones are kept."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import ml_dtypes
import numpy as np
import pytest

from algoperf import checkpoint, records

_ARRAYS = [
  np.arange(6, dtype=np.float32).reshape(2, 3),
  np.zeros((0, 4), np.int8),
  np.array(0.1, ml_dtypes.bfloat16),
]


def write(path, header=None, arrays=_ARRAYS):
  return checkpoint.write(path, header or {'step': 3}, arrays)


def test_a_file_holds_what_was_written(tmp_path):
  path = tmp_path / 'a.ckpt'
  sha256 = write(path)
  found = checkpoint.read(path)
  assert found.header['step'] == 3
  assert found.sha256 == sha256
  assert sha256 == hashlib.sha256(path.read_bytes()[:-32]).hexdigest()
  for array, expected in zip(found.arrays, _ARRAYS, strict=True):
    assert array.dtype == expected.dtype
    assert array.shape == expected.shape
    assert array.tobytes() == expected.tobytes()
  assert [p.name for p in tmp_path.iterdir()] == ['a.ckpt']


def test_every_cut_and_every_flipped_bit_is_noticed(tmp_path):
  path = tmp_path / 'a.ckpt'
  write(path)
  content = path.read_bytes()
  for place in range(len(content)):
    path.write_bytes(content[:place])
    with pytest.raises(checkpoint.Damaged, match=r'a\.ckpt'):
      checkpoint.read(path)
    flipped = bytearray(content)
    flipped[place] ^= 1 << place % 8
    path.write_bytes(flipped)
    with pytest.raises(checkpoint.Damaged, match=r'a\.ckpt'):
      checkpoint.read(path)


def test_another_format_is_no_checkpoint(tmp_path):
  path = tmp_path / 'a.ckpt'
  content = b'algoperf checkpoint 9\n{}\n'
  path.write_bytes(content + hashlib.sha256(content).digest())
  with pytest.raises(checkpoint.Damaged, match='another format'):
    checkpoint.read(path)


_KILLED = """
import os, pathlib, signal, sys
import numpy as np
from algoperf import checkpoint

at, path = int(sys.argv[1]), pathlib.Path(sys.argv[2])
calls = iter(range(1, 100))

def counted(function):
  def call(*args):
    if next(calls) == at:
      os.kill(os.getpid(), signal.SIGKILL)
    return function(*args)
  return call

os.fsync, os.replace = counted(os.fsync), counted(os.replace)
checkpoint.write(path, {'step': 2}, [np.ones(1000)])
print('written')
"""


@pytest.mark.parametrize('at', [1, 2, 3, 4])
def test_a_process_killed_while_writing_leaves_a_whole_file(tmp_path, at):
  path = tmp_path / 'a.ckpt'
  write(path, {'step': 1})
  result = subprocess.run(
    [sys.executable, '-c', _KILLED, str(at), str(path)], capture_output=True
  )
  assert (result.returncode == -signal.SIGKILL) == (at <= 3), result.stderr
  step = checkpoint.read(path).header['step']
  assert step == (1 if at <= 2 else 2)


def save(folder, step, *, met_target=False, header=None):
  folder.save(
    step,
    header or {'step': step},
    _ARRAYS,
    before=lambda: None,
    met_target=met_target,
  )


def test_no_thread_object_leads_to_what_is_written(tmp_path):
  folder = checkpoint.Folder(tmp_path)
  before, writing, seen = threading.enumerate(), threading.Event(), []

  def wait():
    seen.extend(threading.enumerate())
    writing.wait()

  folder.save(1, {'step': 1}, _ARRAYS, before=wait, met_target=False)
  while not seen:
    time.sleep(0.001)
  assert threading.enumerate() == before == seen
  assert folder.steps() == []
  writing.set()
  folder.wait()
  assert folder.steps() == [1]


def test_the_newest_two_and_that_of_the_target_are_kept(tmp_path):
  folder = checkpoint.Folder(tmp_path)
  for step in (1, 5, 30, 2000, 2001):
    save(folder, step, met_target=step == 5)
  folder.wait()
  assert folder.steps() == [2001, 2000]
  target = tmp_path / records.CHECKPOINTS / checkpoint.TARGET
  assert checkpoint.read(target).header['step'] == 5
  assert folder.target_sha256 == checkpoint.read(target).sha256
  folder.end()
  assert [p.name for p in target.parent.iterdir()] == [checkpoint.TARGET]


def test_without_the_target_the_newest_outlives_the_trial(tmp_path):
  folder = checkpoint.Folder(tmp_path)
  for step in (1, 2):
    save(folder, step)
  folder.end()
  assert folder.steps() == [2]


def test_loads_the_newest_first_and_says_what_is_damaged(tmp_path):
  folder = checkpoint.Folder(tmp_path)
  for step in (1, 2):
    save(folder, step)
  folder.wait()
  os.truncate(folder.path(2), 20)
  damaged, whole = folder.load()
  assert isinstance(damaged, checkpoint.Damaged)
  assert folder.path(2).name in str(damaged)
  assert whole.header['step'] == 1


def test_beginning_forgets_what_came_later_and_what_was_not_finished(tmp_path):
  folder = checkpoint.Folder(tmp_path)
  for step in (3, 4):
    save(folder, step, met_target=step == 4)
  folder.wait()
  (tmp_path / records.CHECKPOINTS / 'step_9.ckpt.writing').write_bytes(b'half')
  assert folder.is_writing()
  folder.begin(3, ['validation'])
  names = {p.name for p in (tmp_path / records.CHECKPOINTS).iterdir()}
  assert names == {folder.path(3).name, checkpoint.TARGET}
  folder.begin(3, [])
  assert not (tmp_path / records.CHECKPOINTS / checkpoint.TARGET).exists()


def test_what_could_not_be_written_is_said_once_and_leaves_nothing(
  tmp_path, monkeypatch
):
  def full(handle):
    raise OSError(errno.ENOSPC, 'No space left on device')

  folder = checkpoint.Folder(tmp_path)
  save(folder, 1)
  folder.wait()
  with monkeypatch.context() as patched:
    patched.setattr(os, 'fsync', full)
    save(folder, 2)
    with pytest.raises(OSError, match='No space') as info:
      folder.wait()
  assert records.is_full(info.value)
  folder.wait()
  assert folder.steps() == [1]
  assert not folder.is_writing()


@pytest.mark.parametrize(
  ('error', 'full'),
  [
    (OSError(errno.ENOSPC, ''), True),
    (OSError(errno.EDQUOT, ''), True),
    (OSError(errno.EACCES, ''), False),
    (ValueError(), False),
    (None, False),
  ],
)
def test_a_full_disk_is_told_apart(error, full):
  assert records.is_full(error) == full
  if error is not None:
    outer = RuntimeError('while doing something')
    outer.__cause__ = error
    assert records.is_full(outer) == full


def test_differences_name_what_is_old_and_new():
  before = {'a': 1, 'v': {'jax': '1', 'numpy': '2'}, 'gone': 0}
  now = {'a': 1, 'v': {'jax': '2', 'numpy': '2'}}
  assert checkpoint.differences(before, now) == [
    "v.jax '1' → '2'",
    'gone 0 → None',
  ]
