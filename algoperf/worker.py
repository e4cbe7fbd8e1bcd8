"""The child process of one trial: from a specification to a directory.

Run by `supervisor` as `python -m algoperf.worker INPUT`; INPUT is a JSON file
with the trial's specification, the parent's process number and start time, the
file descriptor and keys for events (see `events`), and, if the trial takes
several hosts, which of them this is. It is removed once it is read.

Exit status: 0 if the trial has ended and has a record, 2 on bad input, 75 if
it was interrupted and the same command goes on with it.
"""

import atexit
import contextlib
import json
import os
import pathlib
import sys
import time
from typing import NoReturn

import jax

from algoperf import (
  attempt,
  dispatch,
  events,
  hosts,
  interrupt,
  memory,
  records,
  spec,
)
from algoperf import clock as clock_lib
from algoperf import trial as trial_lib

_INTERRUPTED = 75  # EX_TEMPFAIL of sysexits.h.


def main(input_path: str) -> int:
  """Runs one trial and returns the exit status."""
  task = pathlib.Path(input_path)
  content = json.loads(task.read_text(encoding='utf-8'))
  task.unlink()  # No submission is to find the keys.
  keys, pipe = events.Keys(**content['keys']), content['events']
  parent = events.Sender(pipe, keys.events)
  alarm = events.Sender(pipe, keys.violations)
  trial_spec = records.TrialSpec(**content['spec'])
  now, started = time.monotonic, content['started']
  channel = None
  if content['hosts'] is not None:
    channel = hosts.join(hosts.Hosts(**content['hosts']))
  memory.volunteer()
  asked = interrupt.Interrupt(content['parent'])
  stop = attempt.Stop(asked, asked.urgently)
  if channel is not None:
    # Every decision of the loop is made on the clock, or on being interrupted:
    # the processes stay together if they agree on these two.
    now = channel.shared(time.monotonic)
    started = channel.agree(started)
    stop = attempt.Stop(channel.shared(asked), contextlib.nullcontext)
  clock = clock_lib.SubmissionClock(
    now=now,
    fence=dispatch.fence,
    compiled=dispatch.CompileTimer(),
    started=started,
  )
  # A cache from an earlier run would make compilation free.
  jax.config.update('jax_enable_compilation_cache', False)
  try:
    status = attempt.Attempt(trial_spec, parent, alarm, stop, clock).run()
  except spec.UsageError as error:
    parent.send('usage_error', message=str(error))
    return 2
  code = _INTERRUPTED if status == trial_lib.Ending.INTERRUPTED else 0
  if channel is None:  # Others wait for an orderly end.
    _exit(code)
  return code


def _exit(code: int) -> NoReturn:
  """Ends the process, and waits for no thread that a submission has left."""
  atexit._run_exitfuncs()
  with contextlib.suppress(OSError, ValueError):  # It may have closed them.
    sys.stdout.flush()
    sys.stderr.flush()
  os._exit(code)


if __name__ == '__main__':
  sys.exit(main(sys.argv[1]))
