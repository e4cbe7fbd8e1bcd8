"""A trial of a few steps that is saved, gone on from, and compared."""

from collections.abc import Callable, Iterator
import dataclasses
from typing import Any

import jax
import numpy as np

from algoperf import clock as clock_lib
from algoperf import (
  integrity,
  placement,
  seeds,
  snapshot,
  spec,
)
from algoperf import scalars as scalars_lib
from algoperf import submission as submission_lib
from algoperf import trial as trial_lib
from algoperf.returns import Problem, checked

_MODEL = ('params', 'model_state')
_TREES = (*_MODEL, 'optimizer_state')
_BATCH_SIZE = 8
_SECONDS = 1e6  # No budget ends so few steps.
_GOAL = spec.Goal(
  metric='loss',
  comparison='<=',
  validation_target=0.0,
  test_target=0.0,
  max_runtime=_SECONDS,
  eval_period=0.0,
  step_hint=1000,
  batch_size=_BATCH_SIZE,
)


@dataclasses.dataclass(frozen=True)
class Saved:
  """What a checkpoint would hold."""

  trees: dict[str, tuple[snapshot.Description, list[np.ndarray]]]
  queue: Any
  step: int
  eval_results: spec.EvalResults


class _Recorder:
  """Leaves nothing behind."""

  def evaluated(self, step: int, results: dict[str, float]) -> None:
    pass


class Rehearsal:
  """One run of a submission on one workload, under guard as in a trial."""

  def __init__(
    self,
    submission: submission_lib.Submission,
    workload: spec.Workload,
    fresh: Callable[[], spec.Workload],
    hyperparameters: spec.Hyperparameters,
    *,
    guard: integrity.Guard,
    clock: clock_lib.SubmissionClock,
    data_dir: str,
  ):
    """Initialises everything, as the process of a trial does.

    Args:
      submission: as it was loaded.
      workload: to train; small.
      fresh: makes another one like it.
      hyperparameters: a point, or None.
      guard: has been started.
      clock: of the process.
      data_dir: where the workload's data are.
    """
    ruleset = 'self' if hyperparameters is None else 'external'
    keys = seeds.trial_keys(0, ruleset)
    workload = workload.with_goal(_GOAL)
    workload.attach_metrics_logger(scalars_lib.ScalarBuffer())
    batch_size = _BATCH_SIZE * jax.device_count()
    self._queue = workload.build_input_queue(
      keys.data, 'train', data_dir, batch_size
    )
    placed = placement.Placement(submission)
    model = placed.model(workload, keys.model)
    self._model = jax.tree.map(_kind, model)
    submission = guard.submission(checked(submission), workload, fresh)
    self._state = placed.state(
      model, workload, submission, hyperparameters, keys
    )
    self._fresh = {
      name: snapshot.Fresh.of(getattr(self._state, name)) for name in _TREES
    }
    self._trial = trial_lib.Trial(
      workload=workload,
      submission=submission,
      hyperparameters=hyperparameters,
      rules=trial_lib.Rules(budget=_SECONDS, eval_every_steps=1),
      queue=placed.batches(self._queue, batch_size),
      step_keys=seeds.StepKeySequence(keys.loop),
      clock=clock,
      evaluate=guard.evaluation(placed.evaluation(workload, data_dir), clock),
      recorder=_Recorder(),
      throttle=self._check,
    )

  @property
  def losses(self) -> list[float]:
    """On training data, at each evaluation: after every step."""
    return [row['train/loss'] for _, row in self._state.eval_results]

  @property
  def step(self) -> int:
    return self._state.step

  def train(self, until: int) -> None:
    """Goes on to a step, with an evaluation after each.

    Raises:
      Problem: what a step returns is not what the next one needs.
      Exception: whatever the submission raises.
    """
    rules = dataclasses.replace(self._trial.rules, max_steps=until)
    dataclasses.replace(self._trial, rules=rules).run(self._state)

  def _check(self, params: spec.ParameterContainer) -> None:
    """Looks at what a step has returned, before anyone uses it."""
    step = self._state.step + 1
    for path, leaf in _leaves(self._trees()):
      if isinstance(leaf, jax.Array) and leaf.is_deleted():
        raise Problem(
          f'step {step} returns {path}, which it has donated',
          'return what the jitted function returns, not what it was given, and '
          'let no two arrays of the state be one.',
        )
    found = jax.tree.map(_kind, (params, self._state.model_state))
    if found != self._model:
      raise Problem(
        f'step {step} returns {_difference(found, self._model)}',
        "parameters and model state keep the model's shapes and types.",
      )

  def _trees(self) -> dict[str, Any]:
    return {name: getattr(self._state, name) for name in _TREES}

  def save(self) -> Saved:
    """What a checkpoint would hold.

    Raises:
      Problem: the state cannot be saved.
    """
    try:
      trees = {
        name: snapshot.freeze(tree, self._fresh[name])
        for name, tree in self._trees().items()
      }
    except snapshot.CannotSave as error:
      raise Problem(
        f'a checkpoint cannot hold the optimizer state: {error}',
        'make the state a tree of arrays and numbers.',
      ) from error
    return Saved(
      trees, self._queue.get_state(), self.step, list(self._state.eval_results)
    )

  def restore(self, saved: Saved) -> None:
    """Puts back what was saved of another run."""
    for name, (description, arrays) in saved.trees.items():
      tree = snapshot.thaw(description, iter(arrays), self._fresh[name])
      setattr(self._state, name, tree)
    self._queue.set_state(saved.queue)
    self._state.step = self._state.evaluated_after = saved.step
    self._state.prepared_at = saved.step
    self._state.eval_results = list(saved.eval_results)

  def difference(self, other: 'Rehearsal') -> str | None:
    """The first array that differs, in any bit, from another run's."""
    pairs = zip(_leaves(self._trees()), _leaves(other._trees()), strict=False)
    for (path, mine), (_, theirs) in pairs:
      if not _same(mine, theirs):
        return path
    if self.losses != other.losses:
      return 'the training loss'
    return None


def _leaves(trees: dict[str, Any]) -> Iterator[tuple[str, Any]]:
  for path, leaf in jax.tree_util.tree_leaves_with_path(trees):
    first, *rest = path
    yield f'{first.key}{jax.tree_util.keystr(tuple(rest))}', leaf


def _kind(leaf: Any) -> str:
  return f'{getattr(leaf, "dtype", type(leaf).__name__)}{list(np.shape(leaf))}'


def _difference(found: Any, wanted: Any) -> str:
  if jax.tree.structure(found) != jax.tree.structure(wanted):
    return 'parameters or model state in another structure'
  pairs = zip(
    jax.tree_util.tree_leaves_with_path(found),
    jax.tree.leaves(wanted),
    strict=True,
  )
  return next(
    f'{_MODEL[path[0].idx]}{jax.tree_util.keystr(path[1:])} as {new} where the '
    f'model has {old}'
    for (path, new), old in pairs
    if new != old
  )


def _same(mine: Any, theirs: Any) -> bool:
  if isinstance(mine, jax.Array | np.ndarray):
    if jax.dtypes.issubdtype(mine.dtype, jax.dtypes.prng_key):
      mine, theirs = map(jax.random.key_data, (mine, theirs))
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    return mine.dtype == theirs.dtype and mine.tobytes() == theirs.tobytes()
  return callable(mine) or mine == theirs
