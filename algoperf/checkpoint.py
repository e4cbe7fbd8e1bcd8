"""Checkpoints: one file each, whole or not at all, and which are kept.

A file holds a line of JSON (the header), the bytes of arrays one after the
other, and the SHA-256 of all that. It is written under another name, brought to
the disk, and then renamed, by a thread, while training goes on: a process can
be killed at any moment and leaves whole files only.

Kept are the newest two, and the first that met the validation target, under a
name of its own. Of a trial that has ended one is kept: the latter, or if no
evaluation met the target the newest.
"""

import _thread
from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from typing import Any, BinaryIO

import numpy as np

from algoperf import records

TARGET = 'target.ckpt'
_KEPT = 2
_FORMAT = 1
_MAGIC = b'algoperf checkpoint '
_SUFFIX = '.ckpt'
_TEMPORARY = '.writing'
_DIGEST_BYTES = 32
_CHUNK_BYTES = 1 << 24

Header = dict[str, Any]


class Damaged(Exception):
  """A file that is no whole checkpoint."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """What one file holds.

  Attributes:
    header: JSON.
    arrays: in the order in which they were saved.
    sha256: of the file up to its last 32 bytes, which are this; hexadecimal.
  """

  header: Header
  arrays: Sequence[np.ndarray]
  sha256: str


def write(path: pathlib.Path, header: Header, arrays: Sequence[Any]) -> str:
  """Writes a checkpoint, and waits until it is on the disk.

  Args:
    path: appears as a whole or not at all.
    header: JSON; may hold all but 'arrays'.
    arrays: of any type that numpy has a name for, in C order.

  Returns:
    The SHA-256.

  Raises:
    OSError: such as a full disk; no file is left.
  """
  shapes = [[array.dtype.name, list(array.shape)] for array in arrays]
  line = json.dumps(header | {'arrays': shapes}).encode()
  temporary = path.with_name(path.name + _TEMPORARY)
  digest = hashlib.sha256()
  try:
    with open(temporary, 'wb') as file:
      for part in (_MAGIC, f'{_FORMAT}\n'.encode(), line, b'\n', *arrays):
        data = (
          memoryview(part).cast('B')
          if isinstance(part, bytes)
          else (memoryview(part.reshape(-1).view(np.uint8)))
        )
        digest.update(data)
        file.write(data)
      file.write(digest.digest())
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)
  except BaseException:
    with contextlib.suppress(OSError):
      temporary.unlink()
    raise
  return digest.hexdigest()


def read(path: pathlib.Path) -> Checkpoint:
  """Reads a checkpoint, every byte of it checked.

  Raises:
    Damaged: it is not as it was written; says in what.
  """
  try:
    with open(path, 'rb') as file:
      _check_digest(path, file)
      first, line = file.readline(), file.readline()
      if first != _MAGIC + f'{_FORMAT}\n'.encode():
        raise Damaged(f'{path.name} is in another format: {first[:40]!r}')
      header = json.loads(line)
      arrays = [
        _read_array(file, np.dtype(name), shape)
        for name, shape in header['arrays']
      ]
      return Checkpoint(header, arrays, file.read().hex())
  except OSError as error:
    raise Damaged(f'{path.name} cannot be read ({error.strerror})') from error


def _check_digest(path: pathlib.Path, file: BinaryIO) -> None:
  left = os.fstat(file.fileno()).st_size - _DIGEST_BYTES
  digest = hashlib.sha256()
  while left > 0:
    chunk = file.read(min(left, _CHUNK_BYTES))
    digest.update(chunk)
    left -= len(chunk)
  if digest.digest() != file.read():
    raise Damaged(f'{path.name} is damaged: its SHA-256 is not what it says')
  file.seek(0)


def _read_array(
  file: BinaryIO, dtype: np.dtype, shape: Sequence[int]
) -> np.ndarray:
  array = np.empty(shape, dtype)
  file.readinto(memoryview(array.reshape(-1).view(np.uint8)))
  return array


def _sync_folder(folder: pathlib.Path) -> None:
  handle = os.open(folder, os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


class Folder:
  """The checkpoints of one trial, written behind its back."""

  def __init__(self, trial: pathlib.Path):
    """Nothing is made before the first checkpoint."""
    self._path = trial / records.CHECKPOINTS
    self._idle = _thread.allocate_lock()  # Held while one is written.
    self._error: BaseException | None = None
    self.target_sha256: str | None = None

  @property
  def failed(self) -> bool:
    """Whether a checkpoint could not be written; `wait` says why."""
    return self._error is not None

  def is_writing(self) -> bool:
    """Whether a file is being written, or was when its process was ended."""
    return any(self._path.glob(f'*{_TEMPORARY}'))

  def steps(self) -> list[int]:
    """Steps with a checkpoint to go on from, the newest first."""
    found = self._path.glob(f'step_*{_SUFFIX}')
    return sorted((int(path.stem[5:]) for path in found), reverse=True)

  def path(self, step: int) -> pathlib.Path:
    return self._path / f'step_{step:010}{_SUFFIX}'

  def save(
    self,
    step: int,
    header: Header,
    arrays: Sequence[np.ndarray],
    *,
    before: Callable[[], None],
    met_target: bool,
  ) -> None:
    """Begins to write one, once the one before is written.

    Args:
      step: updates made so far.
      header: as `write` takes it.
      arrays: as `write` takes them; must not change any more.
      before: brings to the disk what the header counts on.
      met_target: whether it belongs to the evaluation that did so first.

    Raises:
      OSError: the one before could not be written.
    """
    self.wait()

    def write_all() -> None:
      try:
        before()
        self._path.mkdir(exist_ok=True)
        sha256 = write(self.path(step), header, arrays)
        if met_target:
          self._keep_target(step)
          self.target_sha256 = sha256
        for old in self.steps()[_KEPT:]:
          self.path(old).unlink()
      except BaseException as error:
        self._error = error
      finally:
        self._idle.release()

    self._idle.acquire()
    # No `Thread`, through which a submission would come at what it writes.
    _thread.start_new_thread(write_all, ())

  def _keep_target(self, step: int) -> None:
    link = self._path / (TARGET + _TEMPORARY)
    link.unlink(missing_ok=True)
    try:
      os.link(self.path(step), link)
    except OSError:  # Not every file system has links.
      shutil.copyfile(self.path(step), link)
    os.replace(link, self._path / TARGET)
    _sync_folder(self._path)

  def wait(self) -> None:
    """Returns once nothing is being written.

    Raises:
      OSError: the last one could not be written; said once.
    """
    with self._idle:
      pass
    error, self._error = self._error, None
    if error is not None:
      raise error

  def load(self) -> Iterator[Checkpoint | Damaged]:
    """What can be gone on from, the newest first, the damaged ones as such."""
    for step in self.steps():
      try:
        yield read(self.path(step))
      except Damaged as error:
        yield error

  def begin(self, step: int, reached: Sequence[str]) -> None:
    """Forgets what lies after a step, and files that were not finished."""
    if not self._path.is_dir():
      return
    for path in self._path.glob(f'*{_TEMPORARY}'):
      path.unlink()
    for later in self.steps():
      if later > step:
        self.path(later).unlink()
    target = self._path / TARGET
    if target.exists() and 'validation' not in reached:
      target.unlink()

  def end(self) -> None:
    """Keeps of a trial that will not go on what its result rests on."""
    self.wait()
    kept = 0 if (self._path / TARGET).exists() else 1
    for step in self.steps()[kept:]:
      self.path(step).unlink()


def differences(
  before: Mapping[str, Any], now: Mapping[str, Any], path: str = ''
) -> list[str]:
  """What two nested mappings disagree in, as 'name old → new'."""
  found = []
  for key in {**before, **now}:
    old, new = before.get(key), now.get(key)
    name = f'{path}{key}'
    if isinstance(old, Mapping) and isinstance(new, Mapping):
      found += differences(old, new, f'{name}.')
    elif old != new:
      found.append(f'{name} {old!r} → {new!r}')
  return found
