"""Writes the ledger of an experiment: one runner at a time, line by line."""

from collections.abc import Iterator, Mapping
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import secrets
from typing import Any

from algoperf import files, ledger, records, spec


@contextlib.contextmanager
def opened(directory: pathlib.Path) -> Iterator['Bookkeeper']:
  """The ledger of an experiment, for one runner at a time.

  A ledger that nothing was written to leaves no trace.

  Raises:
    UsageError: another runner has it, it cannot be written, or it is not as it
      was left: to go on would cover that.
  """
  made = [p for p in (directory, *directory.parents) if not p.exists()]
  try:
    directory.mkdir(parents=True, exist_ok=True)
    handle = _locked(directory / ledger.FILE)
  except OSError as error:
    raise _not_written(directory / ledger.FILE, error) from error
  try:
    yield Bookkeeper(directory, handle)
  finally:
    if os.fstat(handle).st_size == 0:
      os.unlink(directory / ledger.FILE)
      with contextlib.suppress(OSError):  # Somebody has put something there.
        for path in made:
          path.rmdir()
    os.close(handle)


def _locked(path: pathlib.Path) -> int:
  """A handle of the ledger that nobody else has.

  Raises:
    UsageError: somebody has.
  """
  while True:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
      fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
      if os.path.samestat(os.fstat(handle), os.stat(path)):
        return handle
    except BlockingIOError:
      os.close(handle)
      raise spec.UsageError(
        f'{path.parent} has a runner already, which holds its {ledger.FILE}: '
        'wait for it, or choose another --experiment_dir.'
      ) from None
    except FileNotFoundError:  # Its owner has just taken it away, empty.
      pass
    except BaseException:
      os.close(handle)
      raise
    os.close(handle)


def _not_written(path: pathlib.Path, error: OSError) -> spec.UsageError:
  return spec.UsageError(
    f'the ledger {path} cannot be written ({error.strerror}): '
    'choose another --experiment_dir.'
  )


def _check(directory: pathlib.Path, chain: ledger.Chain) -> None:
  """Refuses a ledger that somebody has changed.

  Raises:
    UsageError: says in what.
  """
  experiment = files.read_json(directory / records.EXPERIMENT_FILE)
  faults = [
    f'line {fault.line}: {fault.message}'
    for fault in chain.faults
    if not fault.torn
  ]
  if wrong := next(iter(faults), ledger.departure(chain, experiment)):
    raise spec.UsageError(
      f'{directory / ledger.FILE} is not as it was left ({wrong}): put it and '
      f'{records.EXPERIMENT_FILE} back, or choose another --experiment_dir.'
    )


class Nobody:
  """Keeps no ledger: of several hosts the first one does."""

  def started(self, trial: records.TrialSpec) -> None:
    """Notes nothing."""

  def ended(
    self, trial: records.TrialSpec, status: str, event: str = 'ended'
  ) -> None:
    """Notes nothing."""


class Bookkeeper:
  """Writes the ledger of one experiment; made by `opened`.

  What cannot be written is a UsageError, or an OSError on a full disk.
  """

  def __init__(self, directory: pathlib.Path, handle: int):
    self._directory = directory
    self._handle = handle
    content = b''
    while more := os.pread(handle, 1 << 20, len(content)):
      content += more
    chain = ledger.parse(content)
    _check(directory, chain)
    self._count = len(chain.lines)
    self._last = chain.lines[-1].digest if chain.lines else ledger.NOTHING
    self._unclosed = bool(content) and not content.endswith(b'\n')
    self._torn = self._unclosed and not chain.lines[-1].content
    self._experiment = next(
      (
        line.content['experiment']
        for line in chain.lines
        if line.content.get('event') == 'opened'
      ),
      None,
    )
    self._attempts = chain.attempts()

  def started(self, trial: records.TrialSpec) -> None:
    """Notes that a trial begins now."""
    if self._experiment is None:
      self._experiment = secrets.token_hex(8)
      self._append(
        {'event': 'opened', 'format': 1, 'experiment': self._experiment}
      )
    line = self._append(
      {
        'event': 'started',
        'experiment': self._experiment,
        'attempt': 1 + len(self._of(trial)),
        **{name: getattr(trial, name) for name in ledger.STARTED},
      }
    )
    self._attempts.append(ledger.Attempt(started=line, ended=None))

  def ended(
    self, trial: records.TrialSpec, status: str, event: str = 'ended'
  ) -> None:
    """Notes how the last attempt ended, unless that is noted or none began.

    Args:
      trial: the trial; trial.json is told which line started it.
      status: how it ended.
      event: 'found' by a runner that has not seen it.
    """
    attempts = self._of(trial)
    if not attempts or attempts[-1].ended:
      return
    directory = pathlib.Path(trial.directory)
    start = attempts[-1].started.digest
    with _telling(directory):
      records.amend(directory, {'ledger': start})
      digests = ledger.digests(directory)
    line = self._append(
      {'event': event, 'start': start, 'status': status, 'files': digests}
    )
    last = self._attempts.index(attempts[-1])
    self._attempts[last] = dataclasses.replace(attempts[-1], ended=line)

  def _of(self, trial: records.TrialSpec) -> list[ledger.Attempt]:
    place = (trial.workload, trial.study, trial.trial)
    return [attempt for attempt in self._attempts if attempt.place == place]

  def _append(self, content: Mapping[str, Any]) -> ledger.Line:
    """Writes one line; all of it is on the disk, or nothing."""
    content = {
      **content,
      'time': records.utc_now(),
      **({'torn': True} if self._torn else {}),
      'previous': self._last,
    }
    text = json.dumps(content, default=str).encode()
    closing = b'\n' if self._unclosed else b''
    with _telling(self._directory / ledger.FILE):
      _write(self._handle, closing + text + b'\n')
      self._torn = self._unclosed = False
      self._count += 1
      self._last = hashlib.sha256(text).hexdigest()
      path = self._directory / records.EXPERIMENT_FILE
      anchor = {'ledger': {'lines': self._count, 'sha256': self._last}}
      files.write_json(path, (files.read_json(path) or {}) | anchor)
    return ledger.Line(number=self._count, digest=self._last, content=content)


@contextlib.contextmanager
def _telling(path: pathlib.Path) -> Iterator[None]:
  """Where a file that cannot be written is told in one line.

  A full disk stays an OSError: trials can be gone on with after it.
  """
  try:
    yield
  except OSError as error:
    if records.is_full(error):
      raise
    raise _not_written(path, error) from error


def _write(handle: int, content: bytes) -> None:
  """Appends all of it, and waits for the disk; or nothing."""
  size = os.fstat(handle).st_size
  try:
    while content:
      content = content[os.write(handle, content) :]
    os.fsync(handle)
  except OSError:
    with contextlib.suppress(OSError):
      os.ftruncate(handle, size)
    raise
