"""The process of one trial, as its parent holds it."""

from collections.abc import Iterator
import contextlib
import dataclasses
import os
import pathlib
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

from algoperf import events, files, hosts, interrupt, memory, records

_POLL_SECONDS = 0.5


class Child:
  """A process with a pipe for its events. Started when it is made.

  Attributes:
    started: when, by the monotonic clock.
  """

  def __init__(
    self,
    module: str,
    trial: records.TrialSpec,
    scratch: pathlib.Path,
    host: hosts.Hosts | None,
  ):
    """Starts it, in a session of its own: Ctrl-C reaches the parent alone.

    Args:
      module: what is run, `algoperf.worker` or like it.
      trial: what it is to run.
      scratch: an empty folder that nobody else can read.
      host: which one this is, if the trial takes several.
    """
    keys = events.Keys.fresh()
    self._receiver = events.Receiver(keys)
    self._output = scratch / 'output'
    read_end, write_end = os.pipe()
    self._pipe = os.fdopen(read_end, 'rb', buffering=0)
    self.started = time.monotonic()
    task = scratch / 'task.json'
    files.write_json(
      task,
      {
        'spec': dataclasses.asdict(trial),
        'started': self.started,
        'parent': os.getpid(),
        'events': write_end,
        'keys': dataclasses.asdict(keys),
        'hosts': host and dataclasses.asdict(host),
      },
    )
    with open(self._output, 'wb') as output:
      self._process = subprocess.Popen(
        [sys.executable, '-P', '-m', module, str(task)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=[write_end],
        start_new_session=True,
      )
    os.close(write_end)

  def events(self) -> Iterator[dict[str, Any] | None]:
    """What it tells until it closes the pipe; None when it is silent.

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

  def memory(self) -> int:
    """Bytes that it and what it has started hold."""
    return memory.used(self._process.pid)

  def last_words(self) -> str:
    """The last line that it printed before it had a log; may be empty."""
    printed = self._output.read_text(errors='replace').strip()
    return printed.rpartition('\n')[2]

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
