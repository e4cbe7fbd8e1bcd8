"""The parent of one trial's process: starts it, watches it, ends it."""

from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import math
import pathlib
import signal
import tempfile
import time
from typing import Any

from algoperf import (
  child,
  events,
  hosts,
  interrupt,
  memory,
  records,
  spec,
  trial_record,
)
from algoperf import scalars as scalars_lib

WORKER = 'algoperf.worker'
_GRACE_SECONDS = 60.0
_EVALUATION_SECONDS = 3600.0
_MEASURED_SECONDS = 1.0  # A look takes 2 ms.
_LOG_BYTES = 1 << 28
_TOLERANCE = 0.01
_IMPORT = 'the import of the submission'
_TOLD = ('status', 'message', 'target', 'times')

# Signals that nobody here sends, and that come of no fault of the program's.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
  """How a trial's process ended."""

  status: str
  message: str | None = None
  target: dict[str, float] | None = None
  times: dict[str, float] | None = None
  from_outside: bool = False  # The process was ended, and did not end itself.


def run(
  trial_spec: records.TrialSpec,
  budget: float,
  on_event: Callable[[Mapping[str, Any]], None],
  grace: float = _GRACE_SECONDS,
  host: hosts.Hosts | None = None,
  memory_limit: int | None = None,
) -> Outcome:
  """Runs a trial in a process of its own and waits for it.

  Args:
    trial_spec: the trial.
    budget: its seconds of submission time.
    on_event: called with each event of the process, and with an empty one
      about twice a second while there is none.
    grace: seconds past the budget after which an update that does not return
      is ended.
    host: which one this is, if the trial takes several. On each of them `run`
      is called with the same trial but a directory of its own; what the first
      one records there is what counts.
    memory_limit: bytes that its processes may hold; None for what the machine
      allows, see `memory`.

  Raises:
    UsageError: the trial could not begin; nothing was written.
    KeyboardInterrupt: after the process has ended in good order.
  """
  with tempfile.TemporaryDirectory(prefix='algoperf-') as scratch:
    process = child.Child(WORKER, trial_spec, pathlib.Path(scratch), host)
    watch = _Watch(
      trial_spec,
      process,
      budget + max(grace, 0.1 * budget),
      memory_limit or memory.limit(),
    )
    try:
      return watch.outcome(on_event)
    except BaseException as error:
      process.stop()
      _interrupted(pathlib.Path(trial_spec.directory))
      if records.is_full(error):
        return Outcome(status='interrupted', message=records.FULL)
      raise


class _Watch:
  """Follows one process until it ends, and says how.

  The allowance is of submission time: what the process has last reported plus
  the wall time since, from when the submission is imported. An evaluation,
  which the budget does not pay, has one of its own.
  """

  def __init__(
    self,
    trial: records.TrialSpec,
    process: child.Child,
    allowance: float,
    memory_limit: int,
  ):
    self._trial = trial
    self._directory = pathlib.Path(trial.directory)
    self._child = process
    self._allowance = allowance
    self._memory_limit = memory_limit
    self._kernel_kills = memory.kills()
    self._measured = -math.inf
    self._violations: list[str] = []
    self._began = False
    self._doing = _IMPORT
    # Nothing of the submission's runs before it is imported.
    self._timed, self._since, self._limit = 0.0, process.started, math.inf
    self._evaluating_since: float | None = None
    self._evaluated = 0.0
    self._finished: Outcome | None = None

  def outcome(self, on_event: Callable[[Mapping[str, Any]], None]) -> Outcome:
    """How it ended; the record says the same."""
    try:
      outcome = self._follow(on_event)
    except events.ForgedError as error:
      self._child.kill()
      self._violations.append(str(error))
      outcome = Outcome(status='disqualified')
    if not self._violations:
      return outcome
    records.amend(self._directory, {'violations': self._violations})
    message = '; '.join(self._violations)
    return dataclasses.replace(
      self._ended('disqualified', message), times=outcome.times
    )

  def _follow(self, on_event: Callable[[Mapping[str, Any]], None]) -> Outcome:
    for event in self._child.events():
      now = time.monotonic()
      if over := self._excess(now, silent=event is None):
        self._child.kill()
        return self._finished or self._ended(*over)
      if event is not None:
        self._take(event, now)
      on_event(event or {})
    status = self._child.wait()
    return self._finished or self._died(status)

  def _take(self, event: Mapping[str, Any], now: float) -> None:
    match event['event']:
      case 'usage_error':
        raise spec.UsageError(event['message'])
      case 'loading' | 'ready' | 'progress':
        self._began = event['event'] != 'loading'
        self._progressed(event, now)
      case events.VIOLATION:
        self._violations.append(event['message'])
      case 'finished':
        self._check_times(event['times'], event['carried'], now)
        self._finished = Outcome(**{name: event[name] for name in _TOLD})
        # Something may keep it from exiting, which changes nothing.
        self._timed, self._since, self._limit = 0.0, now, interrupt.STOP_SECONDS

  def _progressed(self, event: Mapping[str, Any], now: float) -> None:
    """Takes the time of evaluations, from one event to the next."""
    if self._evaluating_since is not None:
      self._evaluated += now - self._evaluating_since
      self._evaluating_since = None
    self._timed, self._since = event.get('timed', 0.0), now
    self._limit = self._allowance
    self._doing = 'an update' if self._began else _IMPORT
    if event.get('evaluating'):
      self._doing = 'an evaluation'
      self._evaluating_since = now
      self._timed = 0.0
      self._limit = max(_EVALUATION_SECONDS, self._allowance)

  def _excess(self, now: float, silent: bool) -> tuple[str, str] | None:
    """Status and message of one that takes more than it may.

    Time, if it is silent; memory and room for its log about once a second.
    """
    spent = self._timed + now - self._since
    if silent and spent > self._limit:
      return 'timed_out', f'{self._doing} did not return; {spent:.0f} s'
    if now - self._measured < _MEASURED_SECONDS:
      return None
    self._measured = now
    if self._child.memory() > self._memory_limit:
      limit = f'{self._memory_limit / 2**30:.1f} GiB'
      return 'out_of_memory', f'took more than the {limit} it may have'
    with contextlib.suppress(FileNotFoundError):
      log = self._directory / records.LOG_FILE
      if log.stat().st_size > _LOG_BYTES:
        return 'failed', f'printed more than {_LOG_BYTES >> 20} MiB'
    return None

  def _check_times(
    self,
    times: Mapping[str, float],
    carried: Mapping[str, float],
    now: float,
  ) -> None:
    """Notes this process's own measures beside the child's.

    The wall time is to agree, and the child can have spent no more on
    evaluations than was seen of them from here.

    Args:
      times: what the child says.
      carried: what of these it was resumed with.
      now: the time.
    """
    wall = now - self._child.started
    tolerance = max(_TOLERANCE * wall, 0.1)
    own = {part: times[part] - carried[part] for part in carried}
    agrees = (
      abs(own['wall'] - wall) <= tolerance
      and own['evaluation'] <= self._evaluated + tolerance
    )
    seen = {
      'wall': wall,
      'evaluation': self._evaluated,
      'agrees_with_child': agrees,
    }
    records.amend(self._directory, {'supervisor': seen})

  def _died(self, status: int | None) -> Outcome:
    """What to say of a process that ended without saying so itself."""
    if status is None:
      return self._ended('failed', 'its process stopped and did not exit')
    if status == -signal.SIGKILL and memory.kills() > self._kernel_kills:
      return self._ended('out_of_memory', 'the kernel ended it for its memory')
    if status < 0:
      message = f'its process was ended by {_signal_name(-status)}'
    else:
      message = f'its process exited with status {status}'
    if not self._began:
      last = self._child.last_words() or 'it said nothing'
      message += f' before it began: {last}'
    if -status in _FROM_OUTSIDE:
      # Not ended in the record: it can be gone on with.
      return Outcome(status='failed', message=message, from_outside=True)
    return self._ended('failed', message)

  def _ended(self, status: str, message: str) -> Outcome:
    end(self._trial, status, message)
    return Outcome(status=status, message=message)


def _signal_name(number: int) -> str:
  try:
    return signal.Signals(number).name
  except ValueError:  # Those in real time have none.
    return f'signal {number}'


def _interrupted(directory: pathlib.Path) -> None:
  """Records that nobody runs a trial any more, if its process could not."""
  trial = records.read_trial(directory)
  if trial is not None and trial['status'] == 'running':
    with contextlib.suppress(OSError):  # Running is as good then.
      records.amend(directory, {'status': 'interrupted'})


def end(trial: records.TrialSpec, status: str, message: str) -> None:
  """Records the end of a trial whose process could not.

  One that did not come to its first record gets one, of what is known here.
  """
  directory = pathlib.Path(trial.directory)
  recorded = records.read_trial(directory)
  if recorded is not None and not trial.differences(recorded):
    changes = {'status': status, 'message': message, 'ended': records.utc_now()}
    records.amend(directory, changes)
    return
  directory.mkdir(parents=True, exist_ok=True)
  records.archive(directory)
  record = trial_record.TrialRecord(
    directory, trial, {}, scalars_lib.ScalarBuffer()
  )
  record.end(status, steps=0, times={'timed': 0.0}, message=message)
