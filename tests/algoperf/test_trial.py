"""The loop, driven through every ending by a clock of the tests' own."""

import dataclasses
import math

import numpy as np
import pytest

from algoperf import clock as clock_lib
from algoperf import seeds, spec, submission
from algoperf import trial as trial_lib
from tests import toy

_LOOP_KEY = seeds.trial_keys(0, 'external').loop


class Harness:
  """A trial whose time passes only where a test says so.

  An update takes 1 s, selecting data 0.25 s, preparing 0.5 s, an evaluation
  10 s and recording it 2 s, unless `seconds` says otherwise.
  """

  def __init__(self, *, goal=None, rules=None, prepares=False, **seconds):
    self.now = 0.0
    self.seconds = {
      'data': 0.25,
      'update': 1.0,
      'prepare': 0.5,
      'evaluation': 10.0,
      'logging': 2.0,
    } | seconds
    self.rules = rules or {'budget': 100.0}
    self.results = []  # Of each evaluation, in turn; the last one repeats.
    self.calls, self.rows, self.heartbeats = [], [], []
    self.on_update = lambda step: None
    self.interrupted = False
    self.workload = toy.Workload().with_goal(goal or toy.goal(eval_period=5.0))
    self.workload.init_model_fn(np.zeros(2, np.uint32))
    self.submission = submission.Submission(
      get_batch_size=lambda name: 16,
      init_optimizer_state=lambda *args: None,
      update_params=self._update,
      data_selection=self._select,
      prepare_for_eval=self._prepare if prepares else None,
      takes_train_state=True,
    )
    self.clock = clock_lib.SubmissionClock(now=lambda: self.now)
    self.state = trial_lib.TrainState(
      optimizer_state='o0', params='p0', model_state='m0'
    )

  def _pass(self, part):
    self.now += self.seconds[part]

  def _select(self, *args):
    self._pass('data')
    self.calls.append(('data', args))
    return {'step': args[6]}

  def _update(self, **kwargs):
    self._pass('update')
    self.calls.append(('update', kwargs))
    self.on_update(kwargs['global_step'])
    step = kwargs['global_step'] + 1
    return f'o{step}', f'p{step}', f'm{step}'

  def _prepare(self, **kwargs):
    self._pass('prepare')
    self.calls.append(('prepare', kwargs))
    return 'prepared', 'prepared', 'prepared'

  def evaluate(self, params, model_state, rng):
    self._pass('evaluation')
    self.calls.append(('evaluate', (params, model_state, rng)))
    return dict(
      self.results.pop(0) if len(self.results) > 1 else self.results[0]
    )

  def evaluated(self, step, results):
    self._pass('logging')
    self.rows.append((step, results))

  def run(self):
    return trial_lib.Trial(
      workload=self.workload,
      submission=self.submission,
      hyperparameters=('h',),
      rules=trial_lib.Rules(**self.rules),
      queue=iter(()),
      step_keys=seeds.StepKeySequence(_LOOP_KEY),
      clock=self.clock,
      evaluate=self.evaluate,
      recorder=self,
      heartbeat=self.heartbeats.append,
      interrupted=lambda: self.interrupted,
    ).run(self.state)

  def steps_evaluated(self):
    return [step for step, _ in self.rows]


def result(accuracy, test=0.0, loss=1.0):
  return {
    'validation/accuracy': accuracy,
    'test/accuracy': test,
    'validation/loss': loss,
  }


def check_times(harness):
  clock = harness.clock
  assert sum(clock.parts().values()) == pytest.approx(clock.wall)
  assert clock.timed == pytest.approx(
    sum(clock[part] for part in clock_lib.TIMED)
  )
  assert clock.wall == pytest.approx(harness.now)


def test_first_evaluation_follows_the_first_step_then_every_period():
  harness = Harness(rules={'budget': 100.0, 'max_steps': 12})
  harness.results = [result(0.1)]
  assert harness.run() == trial_lib.Ending.MAX_STEPS
  # 2 s of logging and three steps of 1.25 s make up a period of 5 s.
  assert harness.steps_evaluated() == [1, 4, 7, 10, 12]
  check_times(harness)


def test_ends_when_all_targets_are_reached_and_goals_are_sticky():
  harness = Harness()
  harness.results = [
    result(0.1),
    result(0.96, test=0.2),
    result(0.5, test=0.96),
    result(0.0),
  ]
  assert harness.run() == trial_lib.Ending.TARGET_REACHED
  assert len(harness.rows) == 3
  check_times(harness)


def test_validation_alone_may_be_enough():
  harness = Harness(rules={'budget': 100.0, 'stop_at': ('validation',)})
  harness.results = [result(0.95)]
  assert harness.run() == trial_lib.Ending.TARGET_REACHED
  assert harness.steps_evaluated() == [1]


def test_budget_found_spent_at_an_evaluation():
  # Preparing takes the rest of the budget, so nothing is evaluated after it.
  harness = Harness(prepares=True, rules={'budget': 4.9}, data=0.0)
  harness.results = [result(0.1)]
  assert harness.run() == trial_lib.Ending.OUT_OF_TIME
  assert harness.steps_evaluated() == [1]
  assert harness.clock.timed == pytest.approx(5.0)  # 4 steps, 2 preparations.
  assert [kind for kind, _ in harness.calls][-1] == 'prepare'
  check_times(harness)


def test_budget_found_spent_between_evaluations():
  goal = toy.goal(eval_period=1000.0)
  harness = Harness(goal=goal, rules={'budget': 10.0})
  harness.results = [result(0.1)]
  assert harness.run() == trial_lib.Ending.OUT_OF_TIME
  assert harness.state.step == 8  # 8 × 1.25 s = 10 s.
  assert harness.steps_evaluated() == [1]
  check_times(harness)


@pytest.mark.parametrize(
  ('period', 'beaten_at', 'evaluated', 'timed'),
  [
    (1000.0, 9.9, [1], 10.0),
    (5.0, 9.9, [1, 4, 7], 10.0),
    (5.0, 1e-3, [1], 2.5),  # Once in any case.
  ],
)
def test_a_trial_ends_once_it_has_taken_as_long_as_a_better_one(
  period, beaten_at, evaluated, timed
):
  goal = toy.goal(eval_period=period)
  rules = {'budget': 100.0, 'beaten_at': beaten_at}
  harness = Harness(goal=goal, rules=rules)
  harness.results = [result(0.1)]
  assert harness.run() == trial_lib.Ending.BEATEN
  assert harness.clock.timed == timed
  assert harness.steps_evaluated() == evaluated
  check_times(harness)


def test_beaten_in_an_evaluation():
  rules = {'budget': 100.0, 'beaten_at': 5.0}
  harness = Harness(prepares=True, rules=rules, data=0.0)
  harness.results = [result(0.1), result(0.99)]
  assert harness.run() == trial_lib.Ending.BEATEN
  assert harness.steps_evaluated() == [1]  # At 5 s it would be no better.
  assert [kind for kind, _ in harness.calls][-1] == 'prepare'


def test_a_trial_that_was_faster_goes_on_to_the_other_target():
  harness = Harness(rules={'budget': 20.0, 'beaten_at': 9.9})
  harness.results = [result(0.1), result(0.96), result(0.96, test=0.96)]
  assert harness.run() == trial_lib.Ending.TARGET_REACHED
  assert harness.steps_evaluated() == [1, 4, 7]


def test_a_submission_may_declare_its_training_complete():
  harness = Harness()
  harness.results = [result(0.1)]

  def complete(step):
    if step == 3:
      raise spec.TrainingCompleteError

  harness.on_update = complete
  assert harness.run() == trial_lib.Ending.COMPLETED
  assert harness.state.step == 4
  assert harness.state.params == 'p3'  # The last update returned nothing.
  assert harness.steps_evaluated() == [1, 4]
  check_times(harness)


def test_completion_with_the_target_met_counts_as_reached():
  harness = Harness()
  harness.results = [result(0.1), result(1.0, test=1.0)]

  def complete(step):
    if step == 1:
      raise spec.TrainingCompleteError

  harness.on_update = complete
  assert harness.run() == trial_lib.Ending.TARGET_REACHED


def test_an_exception_of_the_submission_is_passed_on():
  harness = Harness()
  harness.results = [result(0.1)]

  def fail(step):
    if step == 2:
      raise RuntimeError('out of luck')

  harness.on_update = fail
  with pytest.raises(RuntimeError, match='out of luck'):
    harness.run()
  assert harness.steps_evaluated() == [1]
  harness.clock.enter('other')
  check_times(harness)


def test_an_exception_of_an_evaluation_is_not_swallowed():
  harness = Harness()

  def evaluate(*_):
    raise ValueError('no such split')

  harness.evaluate = evaluate
  with pytest.raises(ValueError, match='no such split'):
    harness.run()


@pytest.mark.parametrize('loss', [math.nan, math.inf])
def test_a_loss_that_is_not_finite_goes_on_and_ends_as_diverged(loss):
  harness = Harness(rules={'budget': 100.0, 'max_steps': 9})
  harness.results = [result(0.1), result(math.nan, loss=loss)]
  assert harness.run() == trial_lib.Ending.DIVERGED
  assert harness.steps_evaluated() == [1, 4, 7, 9]


def test_a_submission_may_recover_from_nan():
  harness = Harness(rules={'budget': 100.0, 'max_steps': 9})
  harness.results = [result(0.1, loss=math.nan), result(0.2)]
  assert harness.run() == trial_lib.Ending.MAX_STEPS


def test_an_interrupt_ends_after_the_step():
  harness = Harness()
  harness.results = [result(0.1)]

  def interrupt(step):
    harness.interrupted = step == 2

  harness.on_update = interrupt
  assert harness.run() == trial_lib.Ending.INTERRUPTED
  assert harness.state.step == 3


def test_evaluation_logging_and_preparation_are_charged_where_they_belong():
  harness = Harness(prepares=True, rules={'budget': 100.0, 'max_steps': 2})
  harness.results = [result(0.1)]
  harness.run()
  parts = harness.clock.parts()
  assert parts['data'] == 0.5
  assert parts['update'] == 2.0
  assert parts['prepare'] == 1.0
  assert parts['evaluation'] == 20.0
  assert parts['logging'] == 4.0
  assert harness.clock.timed == 3.5


def test_results_carry_the_times_of_their_moment():
  harness = Harness(rules={'budget': 100.0, 'max_steps': 2})
  harness.results = [result(0.1)]
  harness.run()
  (_, first), (_, second) = harness.rows
  assert first['score'] == first['accumulated_submission_time'] == 1.25
  assert first['accumulated_eval_time'] == 10.0
  assert first['accumulated_logging_time'] == 0.0
  assert first['total_duration'] == 11.25
  assert second['score'] == 2.5
  assert second['accumulated_logging_time'] == 2.0
  assert harness.state.eval_results == harness.rows


def test_prepared_state_replaces_the_training_state_as_in_algoperf():
  harness = Harness(prepares=True, rules={'budget': 100.0, 'max_steps': 2})
  harness.results = [result(0.1)]
  harness.run()
  evaluations = [args for kind, args in harness.calls if kind == 'evaluate']
  assert evaluations[0][0] == 'prepared'
  updates = [kwargs for kind, kwargs in harness.calls if kind == 'update']
  assert updates[1]['current_param_container'] == 'prepared'
  assert updates[1]['optimizer_state'] == 'prepared'


def test_the_calls_of_a_step():
  harness = Harness(rules={'budget': 100.0, 'max_steps': 1})
  harness.results = [result(0.1)]
  harness.run()
  keys = seeds.StepKeySequence(_LOOP_KEY)[0]
  data, update, evaluation = harness.calls
  *_, hyperparameters, step, rng = data[1]
  assert (hyperparameters, step) == (('h',), 0)
  assert np.array_equal(rng, keys.data_selection)
  assert update[1]['batch'] == {'step': 0}
  assert np.array_equal(update[1]['rng'], keys.update)
  assert np.array_equal(evaluation[1][2], keys.evaluation)


def test_train_state_is_algoperfs_and_read_only():
  harness = Harness(rules={'budget': 100.0, 'max_steps': 2})
  harness.results = [result(0.96)]
  harness.run()
  first, second = (
    kwargs['train_state'] for kind, kwargs in harness.calls if kind == 'update'
  )
  assert first['accumulated_submission_time'] == 0.25
  assert not first['validation_goal_reached']
  assert second['validation_goal_reached']
  assert not second['test_goal_reached']
  assert second['is_time_remaining']
  assert second['accumulated_eval_time'] == 10.0
  assert second['last_step_end_time'] > second['last_eval_time'] > 0
  with pytest.raises(TypeError):
    first['is_time_remaining'] = True


def test_heartbeats_come_once_a_second_and_at_evaluations():
  harness = Harness(
    goal=toy.goal(eval_period=1000.0),
    rules={'budget': 100.0, 'max_steps': 21},
    update=0.2,
    data=0.0,
  )
  harness.results = [result(0.1)]
  harness.run()
  quiet = [beat for beat in harness.heartbeats if 'results' not in beat]
  assert sum('evaluating' in beat for beat in quiet) == 2
  assert 4 <= len(quiet) - 2 <= 6  # 20 steps of 0.2 s.
  assert dataclasses.is_dataclass(harness.state)
