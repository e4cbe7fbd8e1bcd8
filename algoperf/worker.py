"""The child process of one trial: from a specification to a directory.

Run by `supervisor` as `python -m algoperf.worker INPUT`; INPUT is a JSON file
with the trial's specification, the parent's process number and start time, the
file descriptor that takes events, one JSON object a line, and, if the trial
takes several hosts, which of them this is.
"""

from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import signal
import sys
import time
import traceback
from typing import Any

import jax

from algoperf import benchmark as benchmark_lib
from algoperf import clock as clock_lib
from algoperf import (
  device_axis,
  dispatch,
  evaluation,
  hardware,
  hosts,
  records,
  seeds,
  sharding,
  spec,
  tuning,
)
from algoperf import submission as submission_lib
from algoperf import trial as trial_lib


class Events:
  """The pipe to the parent."""

  def __init__(self, descriptor: int):
    self._file = os.fdopen(descriptor, 'w', buffering=1, encoding='utf-8')

  def send(self, kind: str, **content: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # Without a parent: interrupted.
      self._file.write(json.dumps({'event': kind, **content}) + '\n')


class Interrupt:
  """Whether to stop: after SIGINT or SIGTERM, or when the parent is gone."""

  def __init__(self, parent: int):
    self._requested = False
    self._parent = parent
    for number in (signal.SIGINT, signal.SIGTERM):
      signal.signal(number, self._on_signal)

  def _on_signal(self, *_: Any) -> None:
    self._requested = True

  def __call__(self) -> bool:
    return self._requested or os.getppid() != self._parent


def main(input_path: str) -> int:
  """Runs one trial; 0 if it has a record, 2 on bad input."""
  content = json.loads(pathlib.Path(input_path).read_text(encoding='utf-8'))
  events = Events(content['events'])
  interrupt = Interrupt(content['parent'])
  trial_spec = records.TrialSpec(**content['spec'])
  now, started = time.monotonic, content['started']
  if content['hosts'] is not None:
    # Every decision of the loop is made on the clock, or on being interrupted:
    # the processes stay together if they agree on these two.
    channel = hosts.join(hosts.Hosts(**content['hosts']))
    now = channel.shared(time.monotonic)
    started = channel.agree(started)
    interrupt = channel.shared(interrupt)
  clock = clock_lib.SubmissionClock(
    now=now,
    fence=dispatch.fence,
    compiled=dispatch.CompileTimer(),
    started=started,
  )
  # A cache from an earlier run would make compilation free.
  jax.config.update('jax_enable_compilation_cache', False)
  try:
    Worker(trial_spec, events, interrupt, clock).run()
  except spec.UsageError as error:
    events.send('usage_error', message=str(error))
    return 2
  return 0


class Worker:
  """Sets up one trial, runs it, and records how it went."""

  def __init__(
    self,
    trial_spec: records.TrialSpec,
    events: Events,
    interrupt: Callable[[], bool],
    clock: clock_lib.SubmissionClock,
  ):
    self._spec = trial_spec
    self._events = events
    self._clock = clock
    self._interrupt = interrupt
    self._scalars = records.ScalarBuffer()
    self._state: trial_lib.TrainState | None = None
    benchmark = benchmark_lib.load(trial_spec.benchmark)
    jax.config.update('jax_default_matmul_precision', benchmark.precision)
    self._row = benchmark.row(trial_spec.workload)
    self._rules = trial_lib.Rules(
      budget=self._row.goal.max_runtime
      * benchmark.rulesets[trial_spec.ruleset].budget_factor,
      max_steps=trial_spec.max_steps,
      stop_at=benchmark.stop_at,
    )

  def run(self) -> None:
    """Runs the trial to its end, whatever the submission does.

    Raises:
      UsageError: the trial cannot begin; nothing was written.
    """
    workload = self._workload()
    submission, batch_size, failure = self._load_submission(workload)
    record = self._begin(workload)
    ending = None
    try:
      if failure is not None:
        raise failure
      for note in submission.notes:
        print(note, flush=True)
      ending = self._train(workload, submission, batch_size, record)
    except Exception as error:
      self._clock.enter('other', fenced=False)
      self._end(record, 'failed', error)
    else:
      self._end(record, ending)

  def _workload(self) -> spec.Workload:
    from workloads import registry  # Imports every model.

    workload = registry.get(self._spec.workload).with_goal(self._row.goal)
    workload.require_data(self._spec.data_dir)
    workload.attach_metrics_logger(self._scalars)
    return workload

  def _load_submission(
    self, workload: spec.Workload
  ) -> tuple[submission_lib.Submission | None, int, Exception | None]:
    """The submission and its batch size, or what it raised on the way."""
    try:
      submission = submission_lib.load(
        submission_lib.locate(self._spec.submission_path)
      )
      batch_size, origin = submission_lib.batch_size(
        submission,
        self._spec.workload,
        self._row.variant_of or self._spec.workload,
        self._row.goal.batch_size,
      )
    except spec.UsageError:
      raise
    except Exception as error:
      return None, 0, error
    sharding.check_batch_size(
      batch_size,
      f'the training batch size of {self._spec.submission} on {workload.name},',
    )
    notes = (*submission.notes, origin)
    return dataclasses.replace(submission, notes=notes), batch_size, None

  def _begin(self, workload: spec.Workload) -> records.TrialRecord:
    """Creates the trial's directory; from here on everything is recorded."""
    directory = pathlib.Path(self._spec.directory)
    try:
      directory.mkdir(parents=True, exist_ok=True)
      records.archive(directory)
      _redirect_output(directory / records.LOG_FILE)
      record = records.TrialRecord(
        directory,
        self._spec,
        {
          'budget': self._rules.budget,
          'stop_at': self._rules.stop_at,
          'goal': _primitives(workload.goal),
          'versions': hardware.versions(),
          'hardware': hardware.fingerprint(),
        },
        self._scalars,
      )
      record.write_meta_data(_meta_data(workload, self._spec.seed))
    except OSError as error:
      raise spec.UsageError(
        f'cannot write {directory}: {error.strerror}; choose another '
        '--experiment_dir.'
      ) from error
    self._events.send('ready')
    return record

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
    params, model_state = map(
      arrays.replicate, workload.init_model_fn(keys.model)
    )
    self._state = trial_lib.TrainState(
      optimizer_state=submission.init_optimizer_state(
        workload, params, model_state, hyperparameters, keys.optimizer
      ),
      params=params,
      model_state=model_state,
    )
    del params, model_state
    return trial_lib.Trial(
      workload=workload,
      submission=submission,
      hyperparameters=hyperparameters,
      rules=self._rules,
      queue=(arrays.place_batch(batch, batch_size) for batch in queue),
      step_keys=seeds.StepKeySequence(keys.loop),
      clock=self._clock,
      evaluate=evaluate,
      recorder=record,
      throttle=dispatch.Throttle().step,
      heartbeat=lambda progress: self._events.send('progress', **progress),
      interrupted=self._interrupt,
    ).run(self._state)

  def _end(
    self,
    record: records.TrialRecord,
    status: str,
    error: Exception | None = None,
  ) -> None:
    message = None if error is None else _one_line(error)
    times = {
      'wall': time.monotonic() - self._clock.started,
      'timed': self._clock.timed,
      **self._clock.parts(),
    }
    state = self._state
    target = None if state is None else _target(self._row.goal, state)
    record.end(
      status,
      steps=0 if state is None else state.step,
      times=times,
      target=target,
      message=message,
      traceback=error and ''.join(traceback.format_exception(error)),
    )
    self._events.send(
      'finished', status=status, message=message, times=times, target=target
    )


def _target(
  goal: spec.Goal, state: trial_lib.TrainState
) -> dict[str, float] | None:
  """The first evaluation that met the validation target, and the miss before.

  The time to target is known to lie in (last_miss, time].
  """
  last_miss = 0.0
  for step, results in state.eval_results:
    if goal.reached('validation', results):
      return {'step': step, 'time': results['score'], 'last_miss': last_miss}
    last_miss = results['score']
  return None


def _redirect_output(log: pathlib.Path) -> None:
  """Sends what this process prints, also from C, to the trial's log."""
  sys.stdout.flush()
  sys.stderr.flush()
  handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
  os.dup2(handle, 1)
  os.dup2(handle, 2)
  os.close(handle)


def _one_line(error: Exception) -> str:
  text = str(error).strip().partition('\n')[0]
  return f'{type(error).__name__}: {text}' if text else type(error).__name__


def _primitives(thing: Any) -> dict[str, Any]:
  """The public attributes of an object that are numbers or strings."""
  found = {}
  for name in dir(thing):
    if name.startswith('_'):
      continue
    try:
      value = getattr(thing, name)
    except (NotImplementedError, ValueError):
      continue  # Unknown before initialisation, or meaningless here.
    if value is None or isinstance(value, bool | int | float | str):
      found[name] = value
  return found


def _meta_data(workload: spec.Workload, seed: int) -> Mapping[str, Any]:
  """What AlgoPerf's meta_data file holds, under its names where it has any."""
  properties = {
    f'workload.{name}': value for name, value in _primitives(workload).items()
  }
  return properties | hardware.fingerprint() | {'rng_seed': seed}


if __name__ == '__main__':
  sys.exit(main(sys.argv[1]))
