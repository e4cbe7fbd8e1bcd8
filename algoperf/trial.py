"""One timed training run: the loop, and nothing else.

The order of events is AlgoPerf's (first evaluation after the first step, then
whenever the evaluation period has passed), with two differences: steps are
dispatched asynchronously and every crossing of the timed boundary is fenced,
and the budget also ends a trial between evaluations.
"""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import enum
import math
import time
from typing import Any, Protocol

from algoperf import clock as clock_lib
from algoperf import evaluation, interrupt, seeds, spec, views
from algoperf import submission as submission_lib

_HEARTBEAT_SECONDS = 1.0


class Ending(enum.StrEnum):
  """Why a trial ended."""

  TARGET_REACHED = 'target_reached'
  OUT_OF_TIME = 'out_of_time'
  BEATEN = 'beaten'  # By another trial of its study; see Rules.
  COMPLETED = 'completed'  # The submission raised TrainingCompleteError.
  MAX_STEPS = 'max_steps'
  DIVERGED = 'diverged'  # One of the above, and the last loss is not finite.
  INTERRUPTED = 'interrupted'


class Recorder(Protocol):
  """What the loop leaves behind."""

  def evaluated(self, step: int, results: Mapping[str, float]) -> None:
    """Writes one evaluation; called outside the clock."""


class Checkpoints(Protocol):
  """Who keeps what the trial could be gone on from."""

  def due(self, now: float) -> bool:
    """Whether to take one between evaluations; costs microseconds."""

  def take(self, state: 'TrainState', *, met_target: bool) -> None:
    """Takes one; called outside the clock."""


class NoCheckpoints:
  """Keeps nothing."""

  def due(self, now: float) -> bool:
    return False

  def take(self, state: 'TrainState', *, met_target: bool) -> None:
    pass


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
  """When a trial ends. Seconds are of submission time.

  Of the trials of a study the fastest counts: one that has taken as long as
  another (`beaten_at`) can change no score that is by time. It is evaluated
  once all the same, so that there is a log.
  """

  budget: float
  beaten_at: float = math.inf
  max_steps: int | None = None
  eval_every_steps: int | None = None  # Instead of by time.
  stop_at: tuple[str, ...] = ('validation', 'test')


@dataclasses.dataclass(kw_only=True)
class TrainState:
  """Everything that an update changes, and what is known of the run so far."""

  optimizer_state: spec.OptimizerState
  params: spec.ParameterContainer
  model_state: spec.ModelAuxiliaryState
  step: int = 0
  eval_results: spec.EvalResults = dataclasses.field(default_factory=list)
  reached: set[str] = dataclasses.field(default_factory=set)
  training_complete: bool = False
  prepared_at: int = 0  # Steps made when it was last prepared for evaluation,
  evaluated_after: int = 0  # and when it was last evaluated.
  evaluated_at: float = -math.inf  # Clock time of the end of the last one.

  @property
  def evaluated(self) -> bool:
    """Whether it has been evaluated since its last step."""
    return 0 < self.step == self.evaluated_after


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
  """A submission, a workload, and everything that the loop calls.

  Attributes:
    workload: with its goal attached.
    submission: the functions under test.
    hyperparameters: a namedtuple, or None.
    rules: when to stop.
    queue: the batches that data selection draws from.
    step_keys: the keys of each step.
    clock: starts in an untimed part.
    evaluate: (params, model_state, rng) → results, e.g. 'validation/loss'.
    recorder: keeps evaluations.
    checkpoints: keeps the state, at evaluations and in between.
    throttle: called with the parameters after each step; bounds how far the
      host runs ahead.
    heartbeat: called about once a second with the progress made, on the
      submission's time: it must cost microseconds.
    interrupted: whether somebody wants the trial to end; asked after every
      step. An evaluation, which may take long, raises Interrupted then.
  """

  workload: spec.Workload
  submission: submission_lib.Submission
  hyperparameters: spec.Hyperparameters
  rules: Rules
  queue: Iterator[spec.Batch]
  step_keys: seeds.StepKeySequence
  clock: clock_lib.SubmissionClock
  evaluate: Callable[..., dict[str, float]]
  recorder: Recorder
  throttle: Callable[[Any], None] = lambda params: None
  heartbeat: Callable[[dict[str, Any]], None] = lambda progress: None
  interrupted: Callable[[], bool] = lambda: False
  checkpoints: Checkpoints = dataclasses.field(default_factory=NoCheckpoints)

  def run(self, state: TrainState) -> Ending:
    """Trains until an ending. The clock stands in 'other' afterwards.

    A state that has made steps is gone on from where it was left, before or
    after the evaluation that may follow its last step.

    A loss that is NaN or infinite ends nothing: a submission may notice it in
    `eval_results` and start again from other parameters.

    Raises:
      Exception: whatever the submission or an evaluation raises.
    """
    if not state.step:
      self._step(state)
    ending = None
    if state.evaluated:
      ending = self._ending_after_evaluation(state)
    beat = -math.inf
    while ending is None:
      now = self.clock.enter('update')
      if ending := self._ending_between_evaluations(state):
        break
      if self._evaluation_is_due(state, now):
        ending = self._evaluate(state)
      elif self.checkpoints.due(now):
        self._checkpoint(state, met_target=False)
      elif now - beat >= _HEARTBEAT_SECONDS:
        beat = now
        self.heartbeat(self._progress(state, now))
      if ending is None:
        self._step(state)
    self.clock.enter('other')
    missed = ending not in (Ending.TARGET_REACHED, Ending.INTERRUPTED)
    if missed and state.eval_results:
      _, last = state.eval_results[-1]
      if not evaluation.is_finite(last):
        return Ending.DIVERGED
    return ending

  def _step(self, state: TrainState) -> None:
    """Dispatches one step: selects its data, updates, and counts it."""
    keys = self.step_keys[state.step]
    self.clock.enter('data')
    batch = self.submission.data_selection(
      self.workload,
      self.queue,
      state.optimizer_state,
      state.params,
      state.model_state,
      self.hyperparameters,
      state.step,
      keys.data_selection,
    )
    self.clock.enter('update')
    extra = {}
    if self.submission.takes_train_state:
      extra['train_state'] = self._train_state(state)
    try:
      state.optimizer_state, state.params, state.model_state = (
        self.submission.update_params(
          workload=self.workload,
          current_param_container=state.params,
          current_params_types=self.workload.model_params_types,
          model_state=state.model_state,
          hyperparameters=self.hyperparameters,
          batch=batch,
          loss_type=self.workload.loss_type,
          optimizer_state=state.optimizer_state,
          eval_results=state.eval_results,
          global_step=state.step,
          rng=keys.update,
          **extra,
        )
      )
      self.throttle(state.params)
    except spec.TrainingCompleteError:
      state.training_complete = True
    state.step += 1

  def _ending_between_evaluations(self, state: TrainState) -> Ending | None:
    if self.interrupted():
      return Ending.INTERRUPTED
    return self._ending_by_time(state)

  def _ending_by_time(self, state: TrainState) -> Ending | None:
    timed = self.clock.timed
    if timed >= self.rules.budget:
      return Ending.OUT_OF_TIME
    missed = state.eval_results and 'validation' not in state.reached
    if missed and timed >= self.rules.beaten_at:
      return Ending.BEATEN
    return None

  def _evaluation_is_due(self, state: TrainState, now: float) -> bool:
    if state.evaluated:
      return False
    if self._last_step(state):
      return True
    if every := self.rules.eval_every_steps:
      return state.step == 1 or state.step % every == 0
    return now - state.evaluated_at >= self.workload.goal.eval_period

  def _last_step(self, state: TrainState) -> bool:
    return state.training_complete or state.step == self.rules.max_steps

  def _evaluate(self, state: TrainState) -> Ending | None:
    """Prepares, evaluates and records, unless the time has run out."""
    rng = self.step_keys[state.step - 1]
    self._prepare_for_eval(state, rng.prepare)
    self.clock.enter('evaluation')
    if ending := self._ending_by_time(state):
      return ending
    progress = self._progress(state, state.evaluated_at)
    self.heartbeat(progress | {'next_evaluation': 0.0, 'evaluating': True})
    try:
      results = self.evaluate(state.params, state.model_state, rng.evaluation)
    except interrupt.Interrupted:
      return Ending.INTERRUPTED
    state.evaluated_at = self.clock.enter('logging')
    results |= self._times()
    state.eval_results.append((state.step, results))
    state.evaluated_after = state.step
    missed = 'validation' not in state.reached
    state.reached |= {
      split
      for split in ('validation', 'test')
      if self.workload.goal.reached(split, results)
    }
    self.recorder.evaluated(state.step, results)
    self.heartbeat(
      self._progress(state, state.evaluated_at) | {'results': results}
    )
    met_target = missed and 'validation' in state.reached
    self._checkpoint(state, met_target=met_target)
    return self._ending_after_evaluation(state)

  def _checkpoint(self, state: TrainState, *, met_target: bool) -> None:
    self.clock.enter('checkpointing')
    self.checkpoints.take(state, met_target=met_target)
    self.clock.enter('update')

  def _ending_after_evaluation(self, state: TrainState) -> Ending | None:
    if state.reached.issuperset(self.rules.stop_at):
      return Ending.TARGET_REACHED
    if state.training_complete:
      return Ending.COMPLETED
    return Ending.MAX_STEPS if self._last_step(state) else None

  def _prepare_for_eval(self, state: TrainState, rng: spec.RandomState) -> None:
    if self.submission.prepare_for_eval is None:
      return
    if state.prepared_at == state.step:
      return  # Before it was interrupted in this evaluation.
    self.clock.enter('other')  # Fenced, so that the update pays for itself.
    self.clock.enter('prepare')
    state.optimizer_state, state.params, state.model_state = (
      self.submission.prepare_for_eval(
        workload=self.workload,
        current_param_container=state.params,
        current_params_types=self.workload.model_params_types,
        model_state=state.model_state,
        hyperparameters=self.hyperparameters,
        loss_type=self.workload.loss_type,
        optimizer_state=state.optimizer_state,
        eval_results=state.eval_results,
        global_step=state.step,
        rng=rng,
      )
    )
    state.prepared_at = state.step

  def _times(self) -> dict[str, float]:
    clock = self.clock
    return {
      'score': clock.timed,
      'total_duration': clock.wall,
      'accumulated_submission_time': clock.timed,
      'accumulated_eval_time': clock['evaluation'],
      'accumulated_logging_time': clock['logging'],
    }

  def _train_state(self, state: TrainState) -> Mapping[str, Any]:
    """What AlgoPerf tells a submission of its run, times as of time.time()."""
    epoch = time.time() - (self.clock.started + self.clock.wall)
    return views.Attributes(
      {
        'validation_goal_reached': 'validation' in state.reached,
        'test_goal_reached': 'test' in state.reached,
        'is_time_remaining': self.clock.timed < self.rules.budget,
        'last_eval_time': max(0.0, epoch + state.evaluated_at),
        'training_complete': state.training_complete,
        'accumulated_submission_time': self.clock.timed,
        'accumulated_eval_time': self.clock['evaluation'],
        'accumulated_logging_time': self.clock['logging'],
        'last_step_end_time': epoch + self.clock.started + self.clock.wall,
      }
    )

  def _progress(self, state: TrainState, now: float) -> dict[str, Any]:
    elapsed = max(0.0, now - state.evaluated_at)
    return {
      'step': state.step,
      'timed': self.clock.timed,
      'next_evaluation': max(0.0, self.workload.goal.eval_period - elapsed),
    }
