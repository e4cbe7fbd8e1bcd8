"""What code does, as Python itself reports it: an audit hook (PEP 578).

The hook cannot be removed. It looks at few events, asks of each whether a
submission's code is behind it, and never raises. What Python does not report,
in a few functions that matter, is watched by `stand_ins`.
"""

from collections.abc import Callable, Collection
import inspect
import logging
import os
import pathlib
import sys
import threading
import traceback
import types
from typing import Any
import weakref

from algoperf import audit_files, blame, charges, lent, stand_ins, unseen

_UNSEEN = 'uses {0}, which opens files unseen,'
_BY_HAND = 'makes code by hand'

_DIRECTLY = (blame.PYTHON,)  # Not by way of a library.
_FRAME_FIELDS = ('tb_frame', 'gi_frame', 'cr_frame', 'ag_frame')
_FRAMES = ('getframe', 'get_frame', *_FRAME_FIELDS)
_CODE = ('__code__', '__defaults__', '__kwdefaults__', '__class__', '__bases__')

# What a submission may not do at all, and the words for it.
_FORBIDDEN = {
  'starts a process': (
    'subprocess.Popen os.system os.fork os.forkpty os.exec os.posix_spawn '
    'os.spawn pty.spawn os.startfile'
  ),
  'uses the network': (
    'socket.connect socket.bind socket.sendto socket.sendmsg '
    'socket.getaddrinfo socket.gethostbyname urllib.Request'
  ),
  'searches the objects of the process': (
    'gc.get_objects gc.get_referrers gc.get_referents sys._current_frames '
    'sys._current_exceptions'
  ),
  'sends a signal': 'os.kill os.killpg signal.pthread_kill',
  'changes a limit of the process': 'resource.setrlimit resource.prlimit',
}
# The same where the submission itself does it; libraries may, of their own
# accord: then their code has one of the words that follow the events.
_FORBIDDEN_DIRECTLY = {
  'changes an environment variable': (
    'os.putenv os.unsetenv',
    'environ putenv unsetenv',
  ),
  'uses native code': (
    'ctypes.dlopen ctypes.dlsym ctypes.dlsym/handle ctypes.call_function '
    'ctypes.string_at ctypes.wstring_at ctypes.cdata ctypes.cdata/buffer',
    'ctypes dll lib capi cast buffer',
  ),
  'traces the process': (
    'sys.settrace sys.setprofile sys.addaudithook '
    'sys.monitoring.register_callback',
    'trace profile audithook monitoring',
  ),
  _BY_HAND: ('code.__new__ function.__new__', 'ode unction replace'),
}


class Audit:
  """Watches a process on behalf of one trial."""

  def __init__(
    self,
    origins: blame.Origins,
    report: Callable[[str], None],
    files: audit_files.Files,
    sanctioned: Collection[types.CodeType],
  ):
    """Does nothing before `start`.

    Args:
      origins: whose code is whose.
      report: takes what was found, a line each.
      files: which it may use.
      sanctioned: code of the harness that may read data sets and start
        processes, whoever asks.
    """
    self._origins = origins
    self._report = report
    self._charge = charges.Charges(origins, report, sanctioned)
    self._files = files
    self.threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
    self._initialises = False
    self._unseen: frozenset[str] = frozenset()

  def initialising(self, whether: bool) -> None:
    """Says whether init_optimizer_state is running, which is not timed."""
    self._initialises = whether

  def start(self) -> None:
    """Begins to watch; there is no end to it."""
    self._unseen = unseen.installed()
    handlers = self._of_python() | self._of_lent()
    handlers |= stand_ins.install(self._charge, self._files, self._on_thread)
    unseen.stand_in()
    busy: set[int] = set()
    get_frame, this_thread = sys._getframe, threading.get_ident

    def hook(event: str, args: tuple[Any, ...]) -> None:
      handler = handlers.get(event)
      if handler is None:
        return
      if event == 'object.__getattr__' and args[1] not in _FRAME_FIELDS:
        return  # JAX looks at code often.
      thread = this_thread()
      if thread in busy:
        return  # Looking at frames is an event, too.
      busy.add(thread)
      try:
        handler(args, get_frame().f_back)
      except Exception:
        pass  # Of half an interpreter, at its end; honest code goes on.
      finally:
        busy.discard(thread)

    sys.addaudithook(hook)

  def _of_python(self) -> dict[str, charges.Check]:
    files = self._files
    handlers: dict[str, charges.Check] = {
      'open': files.on_open,
      'import': self._on_import,
      'compile': self._on_compile,
      'sys._getframe': self._on_getframe,
      'object.__getattr__': self._on_getframe,
      'object.__setattr__': self._on_setattr,
      'mmap.__new__': lambda args, frame: files.on_descriptor(args[:1], frame),
    }
    for event in audit_files.CHANGES.split():
      handlers[event] = files.on_change
    for what, events in _FORBIDDEN.items():
      for event in events.split():
        handlers[event] = self._charge.of(what, blame.OTHERS)
    for what, (events, words) in _FORBIDDEN_DIRECTLY.items():
      for event in events.split():
        handlers[event] = self._charge.of(what, _DIRECTLY, words.split())
    return handlers

  def _on_import(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    """Extension modules come with a file name."""
    name, path = args[:2]
    library = unseen.library(name)
    # Trying what is not there, and was not at first, does no harm.
    if library and (library in self._unseen or unseen.is_there(library)):
      self._charge.of(_UNSEEN.format(library), _DIRECTLY)((), frame)
    if path is None or self._origins.of_path(path) in blame.INSTALLED:
      return
    if place := self._origins.culprit(frame):
      self._report(f'loads native code ({path}) in {place}')

  def _on_compile(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    source, path = args
    if path is None:  # It is a tree, of which Python does not say the file.
      self._charge.of(_BY_HAND, _DIRECTLY)((), frame)
      return
    if isinstance(path, bytes):
      path = os.fsdecode(path)
    forged = path and self._origins.of_code(path) is not blame.SUBMISSION
    if not forged or (path[0] == '<' and not path.startswith('<frozen')):
      return
    place = self._origins.culprit(frame, _DIRECTLY)
    if place and not _is_whole(path, source):
      self._report(f'passes code off as {path} in {place}')

  def _on_getframe(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    while frame is not None and _is_introspection(frame):
      frame = frame.f_back
    self._charge.of('looks at frames', (), _FRAMES)((), frame)

  def _on_setattr(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    target, name = args[0], args[1]
    if name not in _CODE:
      return
    owner = sys.modules.get(getattr(target, '__module__', None))
    path = getattr(owner, '__file__', None)
    if path and self._origins.of_code(path) is not blame.SUBMISSION:
      named = target if hasattr(target, '__name__') else type(target)
      what = f'alters {owner.__name__}.{named.__name__}'
      self._charge.of(what, _DIRECTLY)((), frame)

  def _of_lent(self) -> dict[str, charges.Check]:
    """What is told of the things that a submission is lent."""
    told = self._charge.told
    return {
      lent.ALTERS: told('alters {0} in {1}', _DIRECTLY),
      lent.CALLS: told('calls {0} in {1}', blame.INSTALLED),
      lent.COMPUTES: self._on_computing,
      lent.LOGS: lambda args, frame: self._report(args[0]),
      unseen.EVENT: told(f'{_UNSEEN} in {{1}}', _DIRECTLY),
    }

  def _on_computing(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    if self._initialises:
      text = 'calls {0} in init_optimizer_state, which is not timed, in {1}'
      self._charge.told(text, blame.OTHERS)(args, frame)

  def _on_thread(
    self, args: tuple[Any, ...], frame: types.FrameType | None
  ) -> None:
    if self._origins.culprit(frame):
      self.threads.add(args[0])


def _is_whole(path: str, source: Any) -> bool:
  """Whether it is all of a file, as when the file is imported."""
  return os.path.isfile(path) and source == pathlib.Path(path).read_bytes()


def _is_introspection(frame: types.FrameType) -> bool:
  """Whether a frame is of code that hands frames on to its caller."""
  name = frame.f_code.co_filename
  if name == traceback.__file__:
    return frame.f_code.co_name in ('walk_stack', 'walk_tb')
  if name == logging.__file__:
    return frame.f_code is logging.currentframe.__code__
  return name == inspect.__file__ or (
    name.startswith('<') and not name.startswith('<frozen')
  )
