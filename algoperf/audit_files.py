"""Which files a submission may use: what Python tells of them, judged.

It may read what everybody has, and sources of its own, as long as an algorithm
may be; never the benchmark's data, nor anything of the experiment.
"""

from collections.abc import Callable, Collection
import os
import pathlib
import types
from typing import Any

from algoperf import blame

_SYSTEM = ('/proc/', '/sys/', '/dev/', '/etc/', '/usr/', '/lib', '/opt/')
_MEMORY = ('/dev/shm', '/dev/mem', '/dev/fd')
_SOURCES = ('.py', '.json', '.toml')
_SOURCE_BYTES = 1 << 20

CHANGES = """
  os.rename os.remove os.truncate os.link os.symlink os.rmdir os.mkdir os.chmod
  shutil.rmtree
"""
# What works on open files by their numbers; Python tells of none of these.
DESCRIPTORS = """
  read readv pread preadv write writev pwrite pwritev sendfile splice
  copy_file_range ftruncate lseek dup dup2
"""


class Files:
  """Looks at the events that are about files.

  Each method takes an event's arguments and the frame that it comes from.
  """

  def __init__(
    self,
    origins: blame.Origins,
    report: Callable[[str], None],
    *,
    data_dir: str,
    experiment: pathlib.Path,
    sanctioned: Collection[types.CodeType],
  ):
    """Watches nothing by itself.

    Args:
      origins: whose code is whose.
      report: takes what was found, a line each.
      data_dir: where data sets are, which only the harness reads.
      experiment: the experiment's directory, which only the harness writes.
      sanctioned: code of the harness that may read data sets, whoever asks.
    """
    self._origins = origins
    self._report = report
    self._data = os.path.realpath(data_dir) + os.sep
    self._experiment = os.path.realpath(experiment) + os.sep
    self._sanctioned = sanctioned
    self._sources: dict[str, int] = {}

  def source(self, path: str | pathlib.Path) -> None:
    """Takes note of a source that a submission consists of."""
    path = os.path.realpath(path)
    self._sources[path] = os.path.getsize(path)
    size = sum(self._sources.values())
    if size > _SOURCE_BYTES:
      self._report(
        f'has {size} bytes of source with {os.path.basename(path)}, more than '
        f'an algorithm needs ({_SOURCE_BYTES})'
      )

  def on_open(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    path, mode, flags = args
    culprit = self._origins.culprit
    if type(path) is int:
      self.on_descriptor(args[:1], frame)
      return
    path = _real(path)
    if path is None:
      return
    if mode is None and not os.path.isabs(args[0]):
      # By os.open, and perhaps below another folder than this one.
      if place := culprit(frame):
        self._report(f'opens the relative path {args[0]} in {place}')
      return
    writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if path.startswith(self._data):
      what = f'reads benchmark data ({path})'
    elif not self._may_open(path, writes):
      what = f'{"writes" if writes else "reads"} {path}'
    elif self._is_source(path, writes) and culprit(frame, blame.OTHERS):
      self.source(path)
      return
    else:
      return
    if place := culprit(frame, blame.OTHERS, self._sanctioned):
      self._report(f'{what} in {place}')

  def _may_open(self, path: str, writes: bool) -> bool:
    """Whether any submission might open a path so."""
    installed = self._origins.of_path(path) in blame.OTHERS
    if path.startswith(self._experiment):
      return installed and (not writes or '__pycache__' in path)
    if writes:
      return not path.startswith('/proc/')
    if path.startswith(_SYSTEM):
      return not path.startswith(_MEMORY) and not path.endswith('/mem')
    return installed or path.endswith(_SOURCES) or os.path.isdir(path)

  def _is_source(self, path: str, writes: bool) -> bool:
    return (
      not writes
      and path.endswith(_SOURCES)
      and self._origins.of_path(path) not in blame.OTHERS
      and os.path.isfile(path)
    )

  def on_change(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    paths = [_real(path) or '' for path in args[:2]]
    below = any(type(arg) is int and arg > 2 for arg in args[2:])
    for path in paths:
      ours = f'{path}{os.sep}'.startswith((self._experiment, self._data))
      bytecode = (
        '__pycache__' in path and self._origins.of_path(path) in blame.OTHERS
      )
      place = (ours or below) and self._origins.culprit(frame, blame.OTHERS)
      if place and not bytecode:
        self._report(f'alters {path} in {place}')

  def on_descriptor(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    if any(type(arg) is int and arg > 2 for arg in args[:2]):
      self.on_number((), frame)

  def on_number(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    if place := self._origins.culprit(frame, (blame.PYTHON,)):
      self._report(f'uses a file by its number in {place}')

  def on_records(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    if place := self._origins.culprit(frame, blame.OTHERS, self._sanctioned):
      self._report(f'reads benchmark data ({args[0]}) in {place}')


def _real(path: Any) -> str | None:
  """A path that an event names; of types that run no code of others."""
  if type(path) in (str, bytes, pathlib.PosixPath):
    return os.path.realpath(os.fsdecode(path))
  return None
