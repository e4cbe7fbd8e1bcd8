"""The child process of one trial: from a specification to a directory.

Run by `supervisor` as `python -m algoperf.worker INPUT`; INPUT is a JSON file
with the trial's specification, the parent's process number and start time, the
file descriptor and keys for events (see `events`), and, if the trial takes
several hosts, which of them this is. It is removed once it is read.

Exit status: 0 if the trial has ended and has a record, 2 on bad input, 75 if
it was interrupted and the same command goes on with it.
"""

import atexit
from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import functools
import json
import math
import os
import pathlib
import sys
import time
import types
from typing import Any, NoReturn

import jax

from algoperf import benchmark as benchmark_lib
from algoperf import checkpoint as checkpoint_lib
from algoperf import clock as clock_lib
from algoperf import (
  device_axis,
  dispatch,
  endings,
  evaluation,
  events,
  hardware,
  hosts,
  integrity,
  interrupt,
  memory,
  properties,
  records,
  resume,
  seeds,
  sharding,
  spec,
  tuning,
)
from algoperf import scalars as scalars_lib
from algoperf import submission as submission_lib
from algoperf import trial as trial_lib
from algoperf.hardware import calibration, profiles

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
  stop = Stop(asked, asked.urgently)
  if channel is not None:
    # Every decision of the loop is made on the clock, or on being interrupted:
    # the processes stay together if they agree on these two.
    now = channel.shared(time.monotonic)
    started = channel.agree(started)
    stop = Stop(channel.shared(asked), contextlib.nullcontext)
  clock = clock_lib.SubmissionClock(
    now=now,
    fence=dispatch.fence,
    compiled=dispatch.CompileTimer(),
    started=started,
  )
  # A cache from an earlier run would make compilation free.
  jax.config.update('jax_enable_compilation_cache', False)
  try:
    status = Worker(trial_spec, parent, alarm, stop, clock).run()
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


@dataclasses.dataclass(frozen=True)
class Stop:
  """Whether to end, and where it cannot wait for the next step."""

  asked: Callable[[], bool]
  urgently: Callable[[], contextlib.AbstractContextManager[None]]


class Worker:
  """Sets up one trial, runs it, and records how it went."""

  def __init__(
    self,
    trial_spec: records.TrialSpec,
    parent: events.Sender,
    alarm: events.Sender,
    stop: Stop,
    clock: clock_lib.SubmissionClock,
  ):
    self._spec = trial_spec
    self._parent = parent
    self._alarm = alarm
    self._clock = clock
    self._stop = stop
    self._scalars = scalars_lib.ScalarBuffer()
    self._state: trial_lib.TrainState | None = None
    self._guard: integrity.Guard | None = None
    self._folder = checkpoint_lib.Folder(pathlib.Path(trial_spec.directory))
    self._mark = resume.Mark(pathlib.Path(trial_spec.directory))
    self._found = resume.Found()
    benchmark = benchmark_lib.load(trial_spec.benchmark)
    jax.config.update('jax_default_matmul_precision', benchmark.precision)
    self._row = benchmark.row(trial_spec.workload)
    self._rules = trial_lib.Rules(
      budget=self._row.goal.max_runtime
      * benchmark.rulesets[trial_spec.ruleset].budget_factor,
      max_steps=trial_spec.max_steps,
      eval_every_steps=trial_spec.eval_every_steps,
      stop_at=benchmark.stop_at,
      beaten_at=trial_spec.beaten_at or math.inf,
    )
    self._machine = profiles.prepare(
      trial_spec.hardware_profile, trial_spec.xla_flags
    )

  def run(self) -> str:
    """Runs the trial to its end, whatever the submission does.

    Returns:
      The trial's status.

    Raises:
      UsageError: the trial cannot begin; nothing was written.
    """
    calibrated = calibration.run()  # Before there is a submission.
    workload = self._workload()
    submission, batch_size, failure = self._load_submission(workload)
    record = self._begin(workload, calibrated)
    try:
      if failure is not None:
        raise failure
      for note in submission.notes:
        print(note, flush=True)
      status = self._train(workload, submission, batch_size, record)
      self._guard.check()
      self._end(record, status)
    except BaseException as error:  # sys.exit() too ends a trial, not us.
      self._clock.enter('other', fenced=False)
      error = self._guard.judge(error)
      status = endings.status(error)
      self._end(record, status, error)
    if status != trial_lib.Ending.INTERRUPTED:
      self._mark.remove()
      self._folder.end()
    return status

  def _workload(self) -> spec.Workload:
    workload = _new_workload(self._spec.workload).with_goal(self._row.goal)
    workload.require_data(self._spec.data_dir)
    missing = workload.missing_examples(self._spec.data_dir)
    if missing:
      print(f'the data have only {missing}', flush=True)
    workload.attach_metrics_logger(self._scalars)
    return workload

  def _load_submission(
    self, workload: spec.Workload
  ) -> tuple[submission_lib.Submission | None, int, BaseException | None]:
    """The submission and its batch size, or what it raised on the way."""
    source = submission_lib.locate(self._spec.submission_path)
    self._guard = integrity.Guard(
      source,
      self._alarm.violation,
      data_dir=self._spec.data_dir,
      experiment=pathlib.Path(self._spec.directory).parents[2],
      harness=_files('__main__', type(workload).__module__),
    )
    self._parent.send('loading')  # From here on it may take for ever.
    try:
      submission = submission_lib.load(source, self._guard.start)
      self._guard.loaded()
      batch_size, origin = submission_lib.batch_size(
        submission,
        self._spec.workload,
        self._row.variant_of or self._spec.workload,
        self._row.goal.batch_size,
      )
    except spec.UsageError:
      raise
    except BaseException as error:
      return None, 0, error
    sharding.check_batch_size(
      batch_size,
      f'the training batch size of {self._spec.submission} on {workload.name},',
    )
    notes = (*submission.notes, origin)
    submission = self._guard.submission(
      dataclasses.replace(submission, notes=notes),
      workload,
      functools.partial(_new_workload, self._spec.workload),
    )
    return submission, batch_size, None

  def _begin(
    self, workload: spec.Workload, calibrated: Mapping[str, float]
  ) -> records.TrialRecord:
    """Creates the trial's directory; from here on everything is recorded."""
    directory = pathlib.Path(self._spec.directory)
    identity = self._identity()
    several = jax.process_count() > 1
    self._found = resume.find(
      directory, identity, hosts.common if several else None
    )
    try:
      directory.mkdir(parents=True, exist_ok=True)
      if self._found.checkpoint is None:
        records.archive(directory)
      _redirect_output(directory / records.LOG_FILE)
      record = records.TrialRecord(
        directory,
        self._spec,
        {
          'budget': self._rules.budget,
          'stop_at': self._rules.stop_at,
          'goal': properties.primitives(workload.goal),
          'versions': identity['versions'],
          'hardware': self._machine,
          'calibration': calibrated,
        },
        self._scalars,
      )
      self._rewind(record)
      record.begin(properties.meta_data(workload, self._spec.seed))
    except OSError as error:
      raise spec.UsageError(
        f'cannot write {directory}: {error.strerror}; choose another '
        '--experiment_dir.'
      ) from error
    for line in self._found.lines():
      print(line, flush=True)
      self._parent.send('note', text=line)
    self._parent.send('ready', timed=self._found.timed, step=self._found.step)
    return record

  def _identity(self) -> dict[str, Any]:
    """What a checkpoint must have been taken of to be gone on from."""
    machine = hardware.fingerprint()
    return {
      **self._spec.identity(),
      'workloads_digest': hardware.source_digest('workloads'),
      'versions': hardware.versions(),
      'hardware': {
        name: machine[name]
        for name in ('platform', 'device', 'devices', 'processes')
      },
    }

  def _rewind(self, record: records.TrialRecord) -> None:
    """Takes the record and the folder back to the checkpoint, if any."""
    checkpoint = self._found.checkpoint
    if checkpoint is None:
      return
    preemption = {
      'step': self._found.step,
      'lost': self._found.lost,
      'damaged': self._found.damaged,
    }
    try:
      record.rewind(checkpoint.header['record'], preemption)
    except ValueError as error:
      raise spec.UsageError(
        f'{error} Put the file back, or move {self._spec.directory} away to '
        'start again.'
      ) from error
    self._folder.begin(self._found.step, checkpoint.header['reached'])

  def _train(
    self,
    workload: spec.Workload,
    submission: submission_lib.Submission,
    batch_size: int,
    record: records.TrialRecord,
  ) -> trial_lib.Ending:
    keys = seeds.trial_keys(self._spec.seed, self._spec.ruleset)
    hyperparameters = None
    if self._spec.hyperparameters is not None:
      hyperparameters = tuning.as_namedtuple(self._spec.hyperparameters)
    queue = workload.build_input_queue(
      keys.data, 'train', self._spec.data_dir, batch_size
    )
    evaluate = functools.partial(
      evaluation.evaluate, workload, data_dir=self._spec.data_dir
    )
    arrays = sharding
    if submission.device_axis:
      arrays, evaluate = device_axis, device_axis.without_axis(evaluate)
    self._state = _initial_state(
      workload, submission, arrays, keys, hyperparameters
    )
    checkpoints = resume.Checkpoints(
      self._folder,
      self._identity(),
      queue=queue,
      clock=self._clock,
      record=record,
      fresh=self._state,
      period=60 * self._spec.checkpoint_minutes,
    )
    if self._found.checkpoint is not None:
      checkpoints.restore(self._found.checkpoint, self._state)
    ending = trial_lib.Trial(
      workload=workload,
      submission=submission,
      hyperparameters=hyperparameters,
      rules=self._rules,
      queue=(arrays.place_batch(batch, batch_size) for batch in queue),
      step_keys=seeds.StepKeySequence(keys.loop, max(0, self._state.step - 1)),
      clock=self._clock,
      evaluate=self._guard.evaluation(
        functools.partial(self._urgently, evaluate), self._clock
      ),
      recorder=record,
      throttle=dispatch.Throttle().step,
      heartbeat=self._heartbeat,
      interrupted=self._interrupted,
      checkpoints=self._guard.checkpoints(checkpoints),
    ).run(self._state)
    if ending == trial_lib.Ending.INTERRUPTED:
      self._clock.enter('checkpointing')
      checkpoints.take(self._state, met_target=False)
      self._clock.enter('other')
    self._folder.wait()
    return ending

  def _interrupted(self) -> bool:
    asked = self._stop.asked()
    # Several processes must agree: there the next checkpoint shows it.
    return asked or (jax.process_count() == 1 and self._folder.failed)

  def _urgently(
    self, evaluate: Callable[..., dict[str, float]], *args: Any
  ) -> dict[str, float]:
    with self._stop.urgently():
      return evaluate(*args)

  def _heartbeat(self, progress: Mapping[str, Any]) -> None:
    self._mark.write(progress['step'], progress['timed'])
    self._parent.send('progress', **progress)

  def _end(
    self,
    record: records.TrialRecord,
    status: str,
    error: BaseException | None = None,
  ) -> None:
    message = None if error is None else endings.one_line(error)
    times = {
      'wall': time.monotonic() - self._clock.started,
      'timed': self._clock.timed,
      **self._clock.parts(),
    }
    state = self._state
    target = None if state is None else endings.target(self._row.goal, state)
    if target is not None:
      target['checkpoint_sha256'] = self._folder.target_sha256
    full = records.is_full(error)
    try:
      record.end(
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
      carried=self._found.carried(),
    )


def _initial_state(
  workload: spec.Workload,
  submission: submission_lib.Submission,
  arrays: types.ModuleType,
  keys: seeds.TrialKeys,
  hyperparameters: spec.Hyperparameters,
) -> trial_lib.TrainState:
  """What is trained, placed by `arrays`: `sharding` or `device_axis`."""
  params, model_state = map(
    arrays.replicate, workload.init_model_fn(keys.model)
  )
  optimizer_state = submission.init_optimizer_state(
    workload, params, model_state, hyperparameters, keys.optimizer
  )
  return trial_lib.TrainState(
    optimizer_state=arrays.settle(optimizer_state),
    params=params,
    model_state=model_state,
  )


def _new_workload(name: str) -> spec.Workload:
  from workloads import registry  # Imports every model.

  return registry.get(name)


def _files(*modules: str) -> tuple[str, ...]:
  """Where modules come from: a workload may lie outside of `workloads`."""
  return tuple(sys.modules[name].__file__ for name in modules)


def _redirect_output(log: pathlib.Path) -> None:
  """Sends what this process prints, also from C, to the trial's log."""
  sys.stdout.flush()
  sys.stderr.flush()
  handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
  os.dup2(handle, 1)
  os.dup2(handle, 2)
  os.close(handle)


if __name__ == '__main__':
  sys.exit(main(sys.argv[1]))
