"""A trial that was killed goes on where its last checkpoint left it."""

import csv
import dataclasses
import functools
import json
import os
import random

import jax
import numpy as np
import pytest

from algoperf import checkpoint as checkpoint_lib
from algoperf import clock as clock_lib
from algoperf import (
  interrupt,
  records,
  resume,
  seeds,
  sources,
  spec,
  trial_record,
)
from algoperf import scalars as scalars_lib
from algoperf import submission as submission_lib
from algoperf import trial as trial_lib
from tests import toy
from tests.algoperf import test_records

_KEYS = seeds.trial_keys(3, 'external')
_IDENTITY = {'seed': 3, 'versions': {'jax': '1'}}
_STEPS = 23
_TIMES = ('score', 'total_duration', 'accumulated', 'preemption_count')

# The parameters that are evaluated are others than those that are trained, and
# the state has them only after the first evaluation.
_AVERAGED = """
import optax

def optimizer(hyperparameters, step_hint):
  return optax.chain(optax.trace(0.9), optax.sgd(0.1), optax.ema(0.9))

def eval_params(opt_state, params):
  import jax
  return jax.tree.map(lambda p: 0.5 * p, params)
"""

# A state of everything that a state can be made of.
_MIXED = """
import typing
import jax
import jax.numpy as jnp
import numpy as np

class State(typing.NamedTuple):
  history: list
  key: jax.Array
  scale: float
  count: int
  noise: np.random.Generator
  buffer: np.ndarray
  spare: dict | None = None

def get_batch_size(workload_name):
  raise ValueError

def init_optimizer_state(workload, params, model_state, hyperparameters, rng):
  @jax.jit
  def update(params, inputs, scale, key):
    noise = jax.random.normal(key, ())
    def moved(p):
      return p - 0.01 * scale * (p + noise * inputs.mean())
    return jax.tree.map(moved, params)
  state = State([], jax.random.key(1), 1.0, 0, np.random.default_rng(0),
                np.zeros(3))
  return state, update

def data_selection(workload, input_queue, *rest):
  first, second, third = (next(input_queue) for _ in range(3))
  return second if rest[-2] % 2 else third

def update_params(workload, current_param_container, current_params_types,
                  model_state, hyperparameters, batch, loss_type,
                  optimizer_state, eval_results, global_step, rng):
  state, update = optimizer_state
  key, now = jax.random.split(state.key)
  scale = state.scale * (1 + 0.01 * state.noise.normal())
  params = update(current_param_container, batch['inputs'], scale, now)
  state.buffer[global_step % 3] += scale
  history = state.history + [params['head']['bias']]
  spare = {'last': scale} if global_step > 9 else None
  state = State(history[-4:], key, scale, state.count + 1, state.noise,
                state.buffer, spare)
  workload.metrics_logger.append_scalar_metrics(
      {'scale': scale, 'results': len(eval_results)}, global_step)
  return (state, update), params, model_state
"""


class Killed(BaseException):
  """What SIGKILL is to these tests: nothing is done after it."""


@dataclasses.dataclass
class Attempt:
  """One process's part of a trial, without the process."""

  directory: str
  source: str
  kill: object = lambda place: None  # Called at each place; may raise.
  identity: dict = dataclasses.field(default_factory=lambda: _IDENTITY)
  period: float = 0.05
  goal: spec.Goal = dataclasses.field(
    default_factory=lambda: toy.goal(validation_target=2.0)
  )
  interrupted: object = lambda: False

  def __post_init__(self):
    self.now = 1000.0 * random.Random(str(self.kill)).random()
    self.batches = []

  def time(self):
    self.now += 0.01
    return self.now

  def at(self, place):
    """A throttle, a heartbeat: where the process may be killed."""
    return lambda *_: self.kill(place)

  def run(self):
    scalars = scalars_lib.ScalarBuffer()
    workload = toy.Workload().with_goal(self.goal)
    workload.attach_metrics_logger(scalars)
    submission = submission_lib.load(sources.locate(str(self.source)))
    self.found = resume.find(self.directory, self.identity)
    if self.found.checkpoint is None:
      records.archive(self.directory)
    self.record = trial_record.TrialRecord(
      self.directory, test_records.make_spec(self.directory), {}, scalars
    )
    self.folder = checkpoint_lib.Folder(self.directory)
    if self.found.checkpoint is not None:
      header = self.found.checkpoint.header
      self.record.rewind(header['record'], {'lost': self.found.lost})
      self.folder.begin(self.found.step, header['reached'])
    self.record.begin({})
    return self._train(workload, submission)

  def _train(self, workload, submission):
    queue = workload.build_input_queue(_KEYS.data, 'train', '', 16)
    params, model_state = workload.init_model_fn(_KEYS.model)
    self.state = trial_lib.TrainState(
      optimizer_state=submission.init_optimizer_state(
        workload, params, model_state, None, _KEYS.optimizer
      ),
      params=params,
      model_state=model_state,
    )
    self.clock = clock_lib.SubmissionClock(now=self.time)
    checkpoints = resume.Checkpoints(
      self.folder,
      self.identity,
      queue=queue,
      clock=self.clock,
      record=self.record,
      fresh=self.state,
      period=self.period,
    )
    if self.found.checkpoint is not None:
      checkpoints.restore(self.found.checkpoint, self.state)
    try:
      ending = self._loop(workload, submission, queue, checkpoints)
    finally:
      self.folder.wait()
    if ending == trial_lib.Ending.INTERRUPTED:
      checkpoints.take(self.state, met_target=False)
      self.folder.wait()
    return ending

  def _loop(self, workload, submission, queue, checkpoints):
    def evaluate(*args):
      self.kill('evaluation')
      return {
        f'validation/{name}': value
        for name, value in workload.evaluate_split(
          'validation', *args, ''
        ).items()
      }

    mark = resume.Mark(self.directory)

    def heartbeat(progress):
      mark.write(progress['step'], progress['timed'])
      self.kill('heartbeat')

    return trial_lib.Trial(
      workload=workload,
      submission=submission,
      hyperparameters=None,
      rules=trial_lib.Rules(
        budget=1e9, max_steps=_STEPS, eval_every_steps=5, stop_at=('test',)
      ),
      queue=iter(queue),
      step_keys=seeds.StepKeySequence(_KEYS.loop, max(0, self.state.step - 1)),
      clock=self.clock,
      evaluate=evaluate,
      recorder=self.record,
      throttle=self.at('step'),
      heartbeat=heartbeat,
      checkpoints=checkpoints,
      interrupted=self.interrupted,
    ).run(self.state)


def outcome(directory, attempt):
  """All that must not depend on being killed."""
  rows = {}
  for name in (records.EVALUATIONS_FILE, records.MEASUREMENTS_FILE):
    with open(directory / name, newline='') as file:
      rows[name] = [
        {k: v for k, v in row.items() if not k.startswith(_TIMES)}
        for row in csv.DictReader(file)
      ]
  state, _ = attempt.state.optimizer_state
  leaves = jax.tree.leaves((attempt.state.params, state))
  results = [
    (step, {k: v for k, v in row.items() if not k.startswith(_TIMES)})
    for step, row in attempt.state.eval_results
  ]
  return rows, results, [_bytes(leaf) for leaf in leaves]


def _bytes(leaf):
  if isinstance(leaf, np.random.Generator):
    return json.dumps(leaf.bit_generator.state, default=str)
  if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(
    leaf.dtype, jax.dtypes.prng_key
  ):
    leaf = jax.random.key_data(leaf)
  return np.asarray(leaf).tobytes()


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
  """A submission by its text: its file, and how it ends if left alone."""

  @functools.cache
  def of(text):
    folder = tmp_path_factory.mktemp('undisturbed')
    path = folder / 'submission_under_test.py'
    path.write_text(text)
    whole, _ = run_to_the_end(folder / 'whole', path, lambda place: None)
    return path, outcome(folder / 'whole', whole)

  return of


@pytest.fixture(params=[_AVERAGED, _MIXED], ids=['averaged', 'mixed'])
def either(request, undisturbed):
  return undisturbed(request.param)


@pytest.fixture
def averaged(undisturbed):
  return undisturbed(_AVERAGED)


def run_to_the_end(directory, source, kill, **kwargs):
  """Attempts until one ends; that one, and how many were killed."""
  directory.mkdir(exist_ok=True)
  for killed in range(100):
    attempt = Attempt(directory, source, kill, **kwargs)
    try:
      ending = attempt.run()
    except Killed:
      continue
    assert ending == trial_lib.Ending.MAX_STEPS
    return attempt, killed
  raise AssertionError('gets nowhere')


class KillAt:
  """Kills at the n-th place that is come to, for each of some n."""

  def __init__(self, places):
    self._places = list(places)
    self.count = 0

  def __call__(self, place):
    self.count += 1
    if self._places and self.count >= self._places[0]:
      self._places.pop(0)
      self.count = 0
      raise Killed(place)


def test_ends_as_if_it_had_not_been_killed(either, tmp_path):
  source, expected = either
  draw = random.Random(1)
  kill = KillAt(draw.randrange(1, 14) for _ in range(6))
  found, killed = run_to_the_end(tmp_path / 'killed', source, kill)
  assert killed >= 4
  assert outcome(tmp_path / 'killed', found) == expected
  assert [step for step, _ in found.state.eval_results] == [
    *(1, 5, 10, 15, 20),
    _STEPS,
  ]


def test_also_where_only_evaluations_are_saved(averaged, tmp_path):
  source, expected = averaged
  found, killed = run_to_the_end(
    tmp_path / 'killed', source, KillAt([9, 9]), period=1e9
  )
  assert killed == 2
  assert outcome(tmp_path / 'killed', found) == expected
  content = records.read_trial(tmp_path / 'killed')
  rows = test_records.read_csv(tmp_path / 'killed' / records.EVALUATIONS_FILE)
  assert rows[0]['preemption_count'] == '0'
  assert int(rows[-1]['preemption_count']) == len(content['preemptions'])


def test_an_interrupted_evaluation_is_made_again_and_not_prepared_twice(
  averaged, tmp_path
):
  source, expected = averaged
  directory = tmp_path / 'stopped'
  directory.mkdir()
  evaluations = []

  def stop(place):
    evaluations.append(place)
    if evaluations.count('evaluation') == 3 and place == 'evaluation':
      raise interrupt.Interrupted

  stopped = Attempt(directory, source, stop)
  assert stopped.run() == trial_lib.Ending.INTERRUPTED
  assert stopped.state.prepared_at == stopped.state.step == 10
  found, _ = run_to_the_end(directory, source, lambda place: None)
  assert outcome(directory, found) == expected


@pytest.mark.parametrize('last', [1, 7, 10, _STEPS])
def test_an_interrupt_loses_nothing(undisturbed, tmp_path, last):
  """Also after the last step, and where an evaluation is due."""
  source, expected = undisturbed(_MIXED)
  directory = tmp_path / 'stopped'
  directory.mkdir()
  stopped = Attempt(directory, source, period=1e9)
  stopped.interrupted = lambda: stopped.state.step == last
  assert stopped.run() == trial_lib.Ending.INTERRUPTED
  assert stopped.state.step == last
  found, _ = run_to_the_end(directory, source, lambda place: None)
  assert found.found.step == last
  assert found.found.lost == {'steps': 0, 'seconds': 0}
  assert outcome(directory, found) == expected


def test_time_is_carried_over_and_lost_time_is_told(averaged, tmp_path):
  directory = tmp_path / 'trial'
  directory.mkdir()
  places = []

  def kill(place):
    places.append(place)
    if places.count('step') == 13:
      raise Killed

  first = Attempt(directory, averaged[0], kill, period=1e9)
  with pytest.raises(Killed):
    first.run()
  second = Attempt(directory, averaged[0], period=1e9)
  second.run()
  saved = second.found.checkpoint.header['clock']
  assert second.found.step == 10
  assert 0 < saved['timed'] < first.clock.timed
  # What the first made after its checkpoint is not counted; it is made again.
  steps = _STEPS - 10
  seconds = second.clock.timed - saved['timed']
  assert seconds == pytest.approx(steps * saved['timed'] / 10, rel=0.2)
  parts = second.clock.parts()
  assert sum(parts.values()) == pytest.approx(second.clock.wall)
  assert parts['evaluation'] > saved['parts']['evaluation']
  scores = [row['score'] for _, row in second.state.eval_results]
  assert scores == sorted(scores)


def test_a_trial_that_had_only_to_end_ends_at_once(averaged, tmp_path):
  directory = tmp_path / 'trial'
  run_to_the_end(directory, averaged[0], lambda place: None)
  # Killed after the last checkpoint and before the record of the end.
  assert records.read_trial(directory)['status'] == 'running'
  places = []
  again, _ = run_to_the_end(directory, averaged[0], places.append)
  assert again.found.step == _STEPS
  assert places == []


def test_a_damaged_newest_falls_back_and_says_so(averaged, tmp_path):
  _, expected = averaged
  directory = tmp_path / 'trial'
  directory.mkdir()
  with pytest.raises(Killed):
    Attempt(directory, averaged[0], KillAt([30])).run()
  folder = checkpoint_lib.Folder(directory)
  newest, before = folder.steps()
  os.truncate(folder.path(newest), 1000)
  found, _ = run_to_the_end(directory, averaged[0], lambda place: None)
  assert found.found.step == before
  first, second = found.found.lines()
  assert folder.path(newest).name in first
  assert f'step {before}' in second
  assert outcome(directory, found) == expected


def test_without_a_whole_checkpoint_it_begins_again(averaged, tmp_path):
  directory = tmp_path / 'trial'
  directory.mkdir()
  with pytest.raises(Killed):
    Attempt(directory, averaged[0], KillAt([30])).run()
  folder = checkpoint_lib.Folder(directory)
  for step in folder.steps():
    folder.path(step).write_bytes(b'')
  found, _ = run_to_the_end(directory, averaged[0], lambda place: None)
  assert found.found.step == 0
  assert 'starting again' in found.found.lines()[-1]
  assert (directory / 'attempt_1' / records.CHECKPOINTS).is_dir()


@pytest.mark.parametrize(
  ('identity', 'message'),
  [
    (_IDENTITY | {'seed': 4}, 'seed 3 → 4'),
    (_IDENTITY | {'versions': {'jax': '2'}}, "versions.jax '1' → '2'"),
  ],
)
def test_a_checkpoint_of_something_else_is_refused(
  averaged, tmp_path, identity, message
):
  directory = tmp_path / 'trial'
  directory.mkdir()
  with pytest.raises(Killed):
    Attempt(directory, averaged[0], KillAt([30])).run()
  before = sorted(directory.rglob('*'))
  with pytest.raises(spec.UsageError, match=message) as info:
    Attempt(directory, averaged[0], identity=identity).run()
  assert str(directory) in str(info.value)
  assert sorted(directory.rglob('*')) == before


def test_the_checkpoint_that_met_the_target_is_kept(averaged, tmp_path):
  directory = tmp_path / 'trial'
  goal = toy.goal(metric='loss', comparison='<=', validation_target=0.695)
  found, _ = run_to_the_end(directory, averaged[0], KillAt([25, 9]), goal=goal)
  hits = [
    step
    for step, row in found.state.eval_results
    if row['validation/loss'] <= 0.695
  ]
  found.folder.end()
  path = directory / records.CHECKPOINTS / checkpoint_lib.TARGET
  kept = checkpoint_lib.read(path)
  assert kept.header['step'] == hits[0]
  assert kept.sha256 == found.folder.target_sha256
  assert found.folder.steps() == []


def test_a_state_that_cannot_be_saved_is_noted_and_goes_on(tmp_path):
  source = tmp_path / 'closure.py'
  source.write_text(
    _MIXED.replace('return (state, update),', 'return (state, lambda *a: 0),')
    .replace('state, update = optimizer_state', 'state, _ = optimizer_state')
    .replace('params = update(', 'params = dict(current_param_container) or (')
  )
  found, _ = run_to_the_end(tmp_path / 'trial', source, lambda place: None)
  assert found.state.step == _STEPS
  note = records.read_trial(tmp_path / 'trial')['checkpointing']
  assert 'optimizer_state: [1]' in note and 'function' in note
  assert found.folder.steps() == []
