"""One trial, whose it is, and its files: on disk or in an archive."""

from collections.abc import Mapping
import dataclasses
import json
import os
from typing import Any

from scoring import notices


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
  """Where one trial is recorded, and whose it is.

  Attributes:
    path: of its directory; in an archive `logs.tar.xz/sub/study_1/...`.
    submission: name without a time stamp.
    workload: name without the framework.
    study: its number.
    trial: its number within the study.
    framework: 'jax' or 'pytorch'.
    files: contents by name if they come from an archive; None: read from disk.
  """

  path: str
  submission: str
  workload: str
  study: int
  trial: int
  framework: str
  files: Mapping[str, bytes] | None = dataclasses.field(
    default=None, repr=False, compare=False
  )

  @property
  def key(self) -> tuple[str, str, int, int]:
    """What should be told apart from any other trial."""
    return self.submission, self.workload, self.study, self.trial

  @property
  def experiment(self) -> str:
    """The path of the directory that its study is in."""
    return self.path.rsplit('/', 3)[0]

  def has(self, name: str) -> bool:
    """Whether there is a file: faster than to fail at reading it."""
    if self.files is None:
      return os.access(f'{self.path}/{name}', os.F_OK)
    return name in self.files

  def read(self, name: str) -> bytes:
    """The content of one of its files.

    Raises:
      FileNotFoundError: there is no such file.
      OSError: it cannot be read.
    """
    return content(self.path, self.files, name)

  def notice(
    self, kind: str, message: str, *, file: str = '', line: int | None = None
  ) -> notices.Notice:
    """A notice about this trial, or a line of one of its files."""
    return notices.Notice(
      kind=kind,
      message=message,
      submission=self.submission,
      workload=self.workload,
      study=self.study,
      trial=self.trial,
      path=f'{self.path}/{file}' if file else self.path,
      line=line,
    )


def json_object(trial: Trial, name: str) -> dict[str, Any]:
  """The JSON object in a file, empty if there is no file.

  Raises:
    ValueError: it holds no JSON object, or cannot be read.
  """
  if not trial.has(name):
    return {}
  try:
    content = json.loads(trial.read(name))
  except OSError as error:
    raise ValueError(f'it cannot be read: {error.strerror}') from error
  except RecursionError:
    raise ValueError('it is nested too deeply') from None
  if not isinstance(content, dict):
    raise ValueError('it holds no JSON object')
  return content


def text(value: object) -> str:
  """A text that can be written; '' if it is none."""
  if not isinstance(value, str):
    return ''
  # JSON may hold halves of characters.
  return value if value.isascii() else value.encode(errors='replace').decode()


def content(trial: str, files: Mapping[str, bytes] | None, name: str) -> bytes:
  """A file of a trial, with as few system calls as can be.

  Args:
    trial: its path.
    files: contents by name if it lies in an archive; None: read from disk.
    name: of the file.

  Raises:
    FileNotFoundError: there is no such file.
    OSError: it cannot be read.
  """
  path = f'{trial}/{name}'
  if files is not None:
    if name not in files:
      raise FileNotFoundError(path)
    return files[name]
  # Not to wait for a pipe that somebody calls a log.
  handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
  try:
    size = os.fstat(handle).st_size
    found = os.read(handle, size)
    while len(found) < size and (more := os.read(handle, size)):
      found += more
    return found
  finally:
    os.close(handle)
