"""The parent of one trial's process: starts it, watches it, ends it."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import math
import os
import pathlib
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

from algoperf import events, hosts, interrupt, memory, records, spec

WORKER = 'algoperf.worker'
_GRACE_SECONDS = 60.0
_EVALUATION_SECONDS = 3600.0
_POLL_SECONDS = 0.5
_MEASURED_SECONDS = 1.0  # A look takes 2 ms.
_LOG_BYTES = 1 << 28
_TOLERANCE = 0.01

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
    child = _Child(trial_spec, pathlib.Path(scratch), host)
    try:
      outcome = _watch(
        child,
        budget + max(grace, 0.1 * budget),
        memory_limit or memory.limit(),
        on_event,
      )
    except events.ForgedError as error:
      child.kill()
      child.violations.append(str(error))
      outcome = Outcome(status='disqualified')
    except BaseException as error:
      child.stop()
      if records.is_full(error):
        return Outcome(status='interrupted', message=records.FULL)
      raise
    return child.judged(outcome)


def _watch(
  child: '_Child',
  allowance: float,
  memory_limit: int,
  on_event: Callable[[Mapping[str, Any]], None],
) -> Outcome:
  """Follows the events of a child until it ends.

  The allowance is of submission time: what the child has last reported plus
  the wall time since, from when the submission is imported. An evaluation,
  which the budget does not pay, has one of its own.
  """
  timed, since = 0.0, time.monotonic()
  limit = math.inf  # Nothing of the submission's runs before it is imported.
  outcome = None
  for event in child.events():
    now = time.monotonic()
    if excess := child.excess(memory_limit, now):
      child.kill()
      return child.ended(*excess)
    if event is None:
      if outcome and now - since > interrupt.STOP_SECONDS:
        child.kill()  # It has recorded its end, and something holds it up.
        return outcome
      if timed + now - since > limit:
        child.kill()
        return child.timed_out(timed + now - since)
      on_event({})
      continue
    match event['event']:
      case 'usage_error':
        raise spec.UsageError(event['message'])
      case 'loading' | 'ready' | 'progress':
        timed, since, limit = event.get('timed', 0.0), now, allowance
        child.began = event['event'] != 'loading'
        child.doing = _IMPORT if not child.began else 'an update'
        evaluating = event.get('evaluating', False)
        child.evaluating(evaluating, now)
        if evaluating:
          child.doing = 'an evaluation'
          timed, limit = 0.0, max(_EVALUATION_SECONDS, allowance)
      case events.VIOLATION:
        child.violations.append(event['message'])
      case 'finished':
        since, limit = now, math.inf
        child.check_times(event['times'], event['carried'])
        outcome = Outcome(**{name: event[name] for name in _TOLD})
    on_event(event)
  status = child.wait()
  return outcome or child.died(status)


_IMPORT = 'the import of the submission'
_TOLD = ('status', 'message', 'target', 'times')


class _Child:
  """One process with a pipe for its events."""

  def __init__(
    self,
    trial_spec: records.TrialSpec,
    scratch: pathlib.Path,
    host: hosts.Hosts | None,
  ):
    self._trial = trial_spec
    self._directory = pathlib.Path(trial_spec.directory)
    self._early_log = scratch / 'output'
    read_end, write_end = os.pipe()
    self._pipe = os.fdopen(read_end, 'rb', buffering=0)
    self._started = time.monotonic()
    self._evaluating_since: float | None = None
    self._evaluated = 0.0
    self.began = False
    self.doing = _IMPORT
    self.violations: list[str] = []
    self._measured = -math.inf
    self._kills = memory.kills()
    keys = events.Keys.fresh()
    self._receiver = events.Receiver(keys)
    task = scratch / 'trial_spec.json'
    records.write_json(
      task,
      {
        'spec': dataclasses.asdict(trial_spec),
        'started': self._started,
        'parent': os.getpid(),
        'events': write_end,
        'keys': dataclasses.asdict(keys),
        'hosts': host and dataclasses.asdict(host),
      },
    )
    with open(self._early_log, 'wb') as log:
      self._process = subprocess.Popen(
        [sys.executable, '-P', '-m', WORKER, str(task)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=[write_end],
        start_new_session=True,  # Ctrl-C reaches the parent alone.
      )
    os.close(write_end)

  def events(self) -> Iterator[dict[str, Any] | None]:
    """The child's events until it closes the pipe; None when it is silent.

    Raises:
      ForgedError: somebody else has written there.
    """
    with self._pipe, selectors.DefaultSelector() as selector:
      selector.register(self._pipe, selectors.EVENT_READ)
      while True:
        if not selector.select(timeout=_POLL_SECONDS):
          yield None
          continue
        data = self._pipe.read(65536)
        if not data:
          return
        yield from self._receiver.read(data)

  def wait(self) -> int | None:
    """The exit status; None if something kept it from exiting."""
    try:
      return self._process.wait(interrupt.STOP_SECONDS)
    except subprocess.TimeoutExpired:
      return None
    finally:
      self.kill()

  def excess(self, memory_limit: int, now: float) -> tuple[str, str] | None:
    """Status and message of one that takes too much, about once a second."""
    if now - self._measured < _MEASURED_SECONDS:
      return None
    self._measured = now
    if memory.used(self._process.pid) > memory_limit:
      limit = f'{memory_limit / 2**30:.1f} GiB'
      return 'out_of_memory', f'took more than the {limit} it may have'
    with contextlib.suppress(FileNotFoundError):
      log = self._directory / records.LOG_FILE
      if log.stat().st_size > _LOG_BYTES:
        return 'failed', f'printed more than {_LOG_BYTES >> 20} MiB'
    return None

  def kill(self) -> None:
    """Ends the process and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
      os.killpg(self._process.pid, signal.SIGKILL)
    self._process.wait()

  def stop(self) -> None:
    """Asks the process to end in good order; kills it if it does not."""
    if self._process.poll() is None:
      self._process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
      self._process.wait(interrupt.STOP_SECONDS)
    self.kill()
    trial = records.read_trial(self._directory)
    if trial is not None and trial['status'] == 'running':
      with contextlib.suppress(OSError):  # Running is as good: nobody runs it.
        records.amend(self._directory, {'status': 'interrupted'})

  def evaluating(self, whether: bool, now: float) -> None:
    """Takes the time of evaluations, from one event to the next."""
    if whether:
      self._evaluating_since = now
    elif self._evaluating_since is not None:
      self._evaluated += now - self._evaluating_since
      self._evaluating_since = None

  def check_times(
    self, times: Mapping[str, float], carried: Mapping[str, float]
  ) -> None:
    """Notes this process's own measures beside the child's.

    The wall time is to agree, and the child can have spent no more on
    evaluations than was seen of them from here.

    Args:
      times: what the child says.
      carried: what of these it was resumed with.
    """
    wall = time.monotonic() - self._started
    tolerance = max(_TOLERANCE * wall, 0.1)
    own = {part: times[part] - carried[part] for part in carried}
    agrees = (
      abs(own['wall'] - wall) <= tolerance
      and own['evaluation'] <= self._evaluated + tolerance
    )
    records.amend(
      self._directory,
      {
        'supervisor': {
          'wall': wall,
          'evaluation': self._evaluated,
          'agrees_with_child': agrees,
        }
      },
    )

  def judged(self, outcome: Outcome) -> Outcome:
    """The outcome, unless the submission broke a rule (see `integrity`)."""
    if not self.violations:
      return outcome
    records.amend(self._directory, {'violations': self.violations})
    message = '; '.join(self.violations)
    return dataclasses.replace(
      self.ended('disqualified', message), times=outcome.times
    )

  def timed_out(self, seconds: float) -> Outcome:
    message = f'{self.doing} did not return; {seconds:.0f} s'
    return self.ended('timed_out', message)

  def died(self, status: int | None) -> Outcome:
    """What to say of a process that ended without saying so itself."""
    if status is None:
      return self.ended('failed', 'its process stopped and did not exit')
    if status == -signal.SIGKILL and memory.kills() > self._kills:
      return self.ended('out_of_memory', 'the kernel ended it for its memory')
    if status < 0:
      message = f'its process was ended by {signal.Signals(-status).name}'
    else:
      message = f'its process exited with status {status}'
    if not self.began:
      output = self._early_log.read_text(errors='replace').strip()
      last = output.rpartition('\n')[2] or 'it said nothing'
      message += f' before it began: {last}'
    if -status in _FROM_OUTSIDE:
      # Not ended in the record: it can be gone on with.
      return Outcome(status='failed', message=message, from_outside=True)
    return self.ended('failed', message)

  def ended(self, status: str, message: str) -> Outcome:
    end(self._trial, status, message)
    return Outcome(status=status, message=message)


def end(trial: records.TrialSpec, status: str, message: str) -> None:
  """Records the end of a trial whose process could not.

  One that did not come to its first record gets one, of what is known here.
  """
  directory = pathlib.Path(trial.directory)
  recorded = records.read_trial(directory)
  if recorded is not None and not trial.differences(recorded):
    records.amend(directory, {'status': status, 'message': message})
    return
  directory.mkdir(parents=True, exist_ok=True)
  records.archive(directory)
  record = records.TrialRecord(directory, trial, {}, records.ScalarBuffer())
  record.end(status, steps=0, times={'timed': 0.0}, message=message)
