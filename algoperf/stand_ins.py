"""Functions that Python does not report, watched by taking their place."""

import _posixsubprocess
import _signal
import _thread
import atexit
from collections.abc import Iterator
import concurrent.futures.thread  # noqa: F401  It has code run at exit.
import functools
from multiprocessing import connection
import multiprocessing.util  # noqa: F401  For _posixsubprocess.
import os
import posix
import signal
import sys
import threading
import traceback
from typing import Any

from array_record.python import array_record_data_source

from algoperf import audit_files, blame, charges

_THREAD_STARTS = """
  start_new _start_new_thread start_new_thread
  _start_joinable_thread start_joinable_thread
"""
_AT_EXIT, _SIGNALS = 'runs code at exit', 'sends a signal'
# What a submission may not call itself; libraries may.
_FORBIDDEN_DIRECTLY = (
  (atexit, 'register', _AT_EXIT),
  (threading, '_register_atexit', _AT_EXIT),
  (signal, 'signal', 'handles signals'),
  (_signal, 'signal', 'handles signals'),
  (signal, 'pidfd_send_signal', _SIGNALS),
  (_signal, 'pidfd_send_signal', _SIGNALS),
  (signal, 'raise_signal', _SIGNALS),
  (_signal, 'raise_signal', _SIGNALS),
  (_thread, 'interrupt_main', _SIGNALS),
)


def install(
  charge: charges.Charges, files: audit_files.Files, on_thread: charges.Check
) -> dict[str, charges.Check]:
  """Has functions of Python's tell of their calls, by events.

  Args:
    charge: makes checks.
    files: has those of files.
    on_thread: takes what starts a thread.

  Returns:
    The check of each event.
  """
  sys.unraisablehook = _show_unraisable
  watched = _watched(charge, files, on_thread)
  return dict(_watch(owner, name, check) for owner, name, check in watched)


def _watched(
  charge: charges.Charges, files: audit_files.Files, on_thread: charges.Check
) -> Iterator[tuple[Any, str, charges.Check]]:
  """Where a function is, its name there, and what to do about its calls."""
  yield threading.Thread, 'start', on_thread
  for module in (_thread, threading):
    for name in set(_THREAD_STARTS.split()) & vars(module).keys():
      yield module, name, charge.of('starts a thread by hand')
  yield _posixsubprocess, 'fork_exec', charge.of('starts a process')
  for module, name, what in _FORBIDDEN_DIRECTLY:
    if hasattr(module, name):
      yield module, name, charge.of(what, (blame.PYTHON,))
  for module in (os, posix):
    for name in set(audit_files.DESCRIPTORS.split()) & vars(module).keys():
      yield module, name, files.on_descriptor
  yield connection.Connection, '__init__', files.on_number
  for name in ('ArrayRecordReader', 'ArrayRecordWriter'):
    yield array_record_data_source.array_record_module, name, files.on_records


def _watch(
  owner: Any, name: str, check: charges.Check
) -> tuple[str, charges.Check]:
  """Has a function tell of its calls; it refers to nothing of ours."""
  original = getattr(owner, name)
  event = f'algoperf.{getattr(owner, "__name__", owner)}.{name}'

  @functools.wraps(original, updated=())
  def stand_in(*args: Any, **kwargs: Any) -> Any:
    sys.audit(event, *args)
    return original(*args, **kwargs)

  del stand_in.__wrapped__
  setattr(owner, name, stand_in)
  return event, lambda args, frame: check(args, frame.f_back)


def _show_unraisable(unraisable: Any) -> None:
  """As Python does, which would compile lines out of the files it shows."""
  what = unraisable.err_msg or 'Exception ignored in'
  print(f'{what}: {unraisable.object!r}', file=sys.stderr)
  traceback.print_exception(
    unraisable.exc_type, unraisable.exc_value, unraisable.exc_traceback
  )
