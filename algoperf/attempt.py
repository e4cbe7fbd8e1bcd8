"""One attempt at a trial: puts its parts together and runs them."""

from collections.abc import Callable
import contextlib
import dataclasses
import functools
import math
import pathlib
import sys
from typing import Any

import jax

from algoperf import benchmark as benchmark_lib
from algoperf import clock as clock_lib
from algoperf import (
  dispatch,
  endings,
  events,
  integrity,
  journal,
  placement,
  properties,
  records,
  resume,
  seeds,
  sharding,
  sources,
  spec,
  tuning,
)
from algoperf import submission as submission_lib
from algoperf import trial as trial_lib
from algoperf.hardware import calibration, profiles


@dataclasses.dataclass(frozen=True)
class Stop:
  """Whether to end, and where it cannot wait for the next step."""

  asked: Callable[[], bool]
  urgently: Callable[[], contextlib.AbstractContextManager[None]]


class Attempt:
  """Sets up one trial, runs it, and records how it went."""

  def __init__(
    self,
    trial_spec: records.TrialSpec,
    parent: events.Sender,
    alarm: events.Sender,
    stop: Stop,
    clock: clock_lib.SubmissionClock,
  ):
    """Prepares the machine; nothing of a workload or submission is loaded.

    Args:
      trial_spec: what to run.
      parent: hears how it goes.
      alarm: hears of violations.
      stop: whether somebody interrupts.
      clock: of the trial, in `other`.

    Raises:
      UsageError: the benchmark's definition or the machine is not as asked.
    """
    self._spec = trial_spec
    self._alarm = alarm
    self._clock = clock
    self._stop = stop
    self._state: trial_lib.TrainState | None = None
    self._guard: integrity.Guard | None = None
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
    self._journal = journal.Journal(trial_spec, parent, clock)

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
    self._journal.begin(
      {
        'budget': self._rules.budget,
        'stop_at': self._rules.stop_at,
        'goal': properties.primitives(workload.goal),
        'hardware': self._machine,
        'calibration': calibrated,
      },
      properties.meta_data(workload, self._spec.seed),
    )
    goal = self._row.goal
    try:
      if failure is not None:
        raise failure
      for note in submission.notes:
        print(note, flush=True)
      status = self._train(workload, submission, batch_size)
      self._guard.check()
      self._journal.end(status, goal, self._state)
    except BaseException as error:  # sys.exit() too ends a trial, not us.
      self._clock.enter('other', fenced=False)
      error = self._guard.judge(error)
      status = endings.status(error)
      self._journal.end(status, goal, self._state, error)
    if status != trial_lib.Ending.INTERRUPTED:
      self._journal.close()
    return status

  def _workload(self) -> spec.Workload:
    workload = _new_workload(self._spec.workload).with_goal(self._row.goal)
    workload.require_data(self._spec.data_dir)
    missing = workload.missing_examples(self._spec.data_dir)
    if missing:
      print(f'the data have only {missing}', flush=True)
    workload.attach_metrics_logger(self._journal.scalars)
    return workload

  def _load_submission(
    self, workload: spec.Workload
  ) -> tuple[submission_lib.Submission | None, int, BaseException | None]:
    """The submission and its batch size, or what it raised on the way."""
    source = sources.locate(self._spec.submission_path)
    self._guard = integrity.Guard(
      source,
      self._alarm.violation,
      data_dir=self._spec.data_dir,
      experiment=pathlib.Path(self._spec.directory).parents[2],
      harness=_files('__main__', type(workload).__module__),
    )
    self._journal.loading()
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

  def _train(
    self,
    workload: spec.Workload,
    submission: submission_lib.Submission,
    batch_size: int,
  ) -> trial_lib.Ending:
    keys = seeds.trial_keys(self._spec.seed, self._spec.ruleset)
    hyperparameters = None
    if self._spec.hyperparameters is not None:
      hyperparameters = tuning.as_namedtuple(self._spec.hyperparameters)
    queue = workload.build_input_queue(
      keys.data, 'train', self._spec.data_dir, batch_size
    )
    placed = placement.Placement(submission)
    self._state = placed.state(
      placed.model(workload, keys.model),
      workload,
      submission,
      hyperparameters,
      keys,
    )
    checkpoints = self._checkpoints(queue)
    ending = trial_lib.Trial(
      workload=workload,
      submission=submission,
      hyperparameters=hyperparameters,
      rules=self._rules,
      queue=placed.batches(queue, batch_size),
      step_keys=seeds.StepKeySequence(keys.loop, max(0, self._state.step - 1)),
      clock=self._clock,
      evaluate=self._guard.evaluation(
        functools.partial(
          self._urgently, placed.evaluation(workload, self._spec.data_dir)
        ),
        self._clock,
      ),
      recorder=self._journal.record,
      throttle=dispatch.Throttle().step,
      heartbeat=self._journal.progress,
      interrupted=self._interrupted,
      checkpoints=self._guard.checkpoints(checkpoints),
    ).run(self._state)
    if ending == trial_lib.Ending.INTERRUPTED:
      self._clock.enter('checkpointing')
      checkpoints.take(self._state, met_target=False)
      self._clock.enter('other')
    self._journal.folder.wait()
    return ending

  def _checkpoints(self, queue: resume.Queue) -> resume.Checkpoints:
    """Those of this trial; puts state and queue back to the one found."""
    checkpoints = resume.Checkpoints(
      self._journal.folder,
      self._journal.identity,
      queue=queue,
      clock=self._clock,
      record=self._journal.record,
      fresh=self._state,
      period=60 * self._spec.checkpoint_minutes,
    )
    if self._journal.found.checkpoint is not None:
      checkpoints.restore(self._journal.found.checkpoint, self._state)
    return checkpoints

  def _interrupted(self) -> bool:
    asked = self._stop.asked()
    # Several processes must agree: there the next checkpoint shows it.
    return asked or (jax.process_count() == 1 and self._journal.folder.failed)

  def _urgently(
    self, evaluate: Callable[..., dict[str, float]], *args: Any
  ) -> dict[str, float]:
    with self._stop.urgently():
      return evaluate(*args)


def _new_workload(name: str) -> spec.Workload:
  from workloads import registry  # Imports every model.

  return registry.get(name)


def _files(*modules: str) -> tuple[str, ...]:
  """Where modules come from: a workload may lie outside of `workloads`."""
  return tuple(sys.modules[name].__file__ for name in modules)
