"""What an attempt at a trial leaves in its directory and tells its parent."""

from collections.abc import Mapping
import os
import pathlib
import sys
import time
from typing import Any

import jax

from algoperf import checkpoint as checkpoint_lib
from algoperf import clock as clock_lib
from algoperf import (
  endings,
  events,
  hardware,
  hosts,
  records,
  resume,
  spec,
  trial_record,
)
from algoperf import scalars as scalars_lib
from algoperf import trial as trial_lib


class Journal:
  """Keeps one trial's directory, and its parent informed.

  Attributes:
    scalars: what the submission logs.
    folder: the trial's checkpoints.
    identity: what a checkpoint must have been taken of to be gone on from.
    found: what an earlier attempt has left; nothing before `begin`.
    record: the files of this attempt; none before `begin`.
  """

  record: trial_record.TrialRecord

  def __init__(
    self,
    trial_spec: records.TrialSpec,
    parent: events.Sender,
    clock: clock_lib.SubmissionClock,
  ):
    """Writes nothing yet."""
    self._spec = trial_spec
    self._parent = parent
    self._clock = clock
    self._directory = pathlib.Path(trial_spec.directory)
    self._mark = resume.Mark(self._directory)
    self.scalars = scalars_lib.ScalarBuffer()
    self.folder = checkpoint_lib.Folder(self._directory)
    self.identity = _identity(trial_spec)
    self.found = resume.Found()

  def loading(self) -> None:
    """Tells that the submission is imported: it may take for ever."""
    self._parent.send('loading')

  def begin(
    self, facts: Mapping[str, Any], meta_data: Mapping[str, Any]
  ) -> None:
    """Creates the trial's directory; from here on everything is recorded.

    Args:
      facts: what is to be in trial.json, beside specification and versions.
      meta_data: what is to be in the file of that name.

    Raises:
      UsageError: the directory cannot be written, or holds another trial.
    """
    several = jax.process_count() > 1
    self.found = resume.find(
      self._directory, self.identity, hosts.common if several else None
    )
    try:
      self._directory.mkdir(parents=True, exist_ok=True)
      if self.found.checkpoint is None:
        records.archive(self._directory)
      _redirect_output(self._directory / records.LOG_FILE)
      self.record = trial_record.TrialRecord(
        self._directory,
        self._spec,
        {**facts, 'versions': self.identity['versions']},
        self.scalars,
      )
      self._rewind()
      self.record.begin(meta_data)
    except OSError as error:
      raise spec.UsageError(
        f'cannot write {self._directory}: {error.strerror}; choose another '
        '--experiment_dir.'
      ) from error
    for line in self.found.lines():
      print(line, flush=True)
      self._parent.send('note', text=line)
    self._parent.send('ready', timed=self.found.timed, step=self.found.step)

  def _rewind(self) -> None:
    """Takes the record and the folder back to the checkpoint, if any."""
    checkpoint = self.found.checkpoint
    if checkpoint is None:
      return
    preemption = {
      'step': self.found.step,
      'lost': self.found.lost,
      'damaged': self.found.damaged,
    }
    try:
      self.record.rewind(checkpoint.header['record'], preemption)
    except ValueError as error:
      raise spec.UsageError(
        f'{error} Put the file back, or move {self._directory} away to '
        'start again.'
      ) from error
    self.folder.begin(self.found.step, checkpoint.header['reached'])

  def progress(self, progress: Mapping[str, Any]) -> None:
    """Tells how far the trial is, for whoever watches it or goes on with it."""
    self._mark.write(progress['step'], progress['timed'])
    self._parent.send('progress', **progress)

  def end(
    self,
    status: str,
    goal: spec.Goal,
    state: trial_lib.TrainState | None,
    error: BaseException | None = None,
  ) -> None:
    """Records how the attempt ended.

    Args:
      status: of the trial.
      goal: of the workload.
      state: what was trained; None if it did not come to that.
      error: what ended it, if anything did.
    """
    message = None if error is None else endings.one_line(error, self._spec)
    times = {
      'wall': time.monotonic() - self._clock.started,
      'timed': self._clock.timed,
      **self._clock.parts(),
    }
    target = None if state is None else endings.target(goal, state)
    if target is not None:
      target['checkpoint_sha256'] = self.folder.target_sha256
    full = records.is_full(error)
    try:
      self.record.end(
        status,
        steps=0 if state is None else state.step,
        times=times,
        target=target,
        message=message,
        traceback=None if error is None or full else endings.formatted(error),
      )
    except OSError:
      if not full:
        raise
    self._parent.send(
      'finished',
      status=status,
      message=message,
      times=times,
      target=target,
      carried=self.found.carried(),
    )

  def close(self) -> None:
    """Leaves nothing that only a later attempt would need."""
    self._mark.remove()
    self.folder.end()


def _identity(trial_spec: records.TrialSpec) -> dict[str, Any]:
  machine = hardware.fingerprint()
  return {
    **trial_spec.identity(),
    'workloads_digest': hardware.source_digest('workloads'),
    'versions': hardware.versions(),
    'hardware': {
      name: machine[name]
      for name in ('platform', 'device', 'devices', 'processes')
    },
  }


def _redirect_output(log: pathlib.Path) -> None:
  """Sends what this process prints, also from C, to the trial's log."""
  sys.stdout.flush()
  sys.stderr.flush()
  handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
  os.dup2(handle, 1)
  os.dup2(handle, 2)
  os.close(handle)
