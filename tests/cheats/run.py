"""Runs submissions on the toy workload under guard, each in a fork.

Prints one JSON object a line: by name, what was found and what was measured.
Several paths joined by '+' are one trial, a step of which does what all do.
"""

from collections.abc import Sequence
import contextlib
import json
import os
import pathlib
import sys
import tempfile
import types

import flax.linen  # noqa: F401  As the workloads do.
import jax
import numpy as np
import sentencepiece  # noqa: F401  As the workloads do.

from algoperf import clock as clock_lib
from algoperf import (
  dispatch,
  evaluation,
  integrity,
  seeds,
  snapshot,
  sources,
  tuning,
)
from algoperf import scalars as scalars_lib
from algoperf import submission as submission_lib
from algoperf import trial as trial_lib
from tests import toy
from workloads.wmt import bleu  # noqa: F401  As the workloads do.

_STEPS = 3
_TOGETHER = pathlib.Path(__file__).with_name('together.py')

# What cheats are told, so that they need not search for it.
TOLD = types.SimpleNamespace()


class _Record:
  def __init__(self, scalars: scalars_lib.ScalarBuffer):
    self._scalars = scalars
    self.rows = []

  def evaluated(self, step: int, results: dict[str, float]) -> None:
    self._scalars.drain()
    self.rows.append((step, results['validation/accuracy']))


class _Checkpoints(trial_lib.NoCheckpoints):
  """Copies the state, and writes nothing."""

  def __init__(self, state: trial_lib.TrainState):
    self._fresh = snapshot.Fresh.of(state.optimizer_state)

  def take(self, state: trial_lib.TrainState, *, met_target: bool) -> None:
    with contextlib.suppress(snapshot.CannotSave):
      snapshot.freeze(state.optimizer_state, self._fresh)


def _prepare(data_dir: str, scratch: str) -> None:
  found = sorted(pathlib.Path(data_dir).rglob('*mnist*/**/*array_record*'))
  TOLD.mnist_records = list(map(str, found))
  TOLD.mnist = str(found[0].parent)
  TOLD.experiment = os.path.join(scratch, 'experiment')
  TOLD.kept = os.path.join(TOLD.experiment, 'kept')
  TOLD.weights = os.path.join(scratch, 'weights.npy')
  os.mkdir(TOLD.experiment)
  pathlib.Path(TOLD.kept).write_text('kept')
  np.save(TOLD.weights, np.zeros(3))


def _workload() -> toy.Workload:
  return toy.Workload(goal=toy.goal(eval_period=0.0))


def _train(
  guard: integrity.Guard, source: sources.Source
) -> tuple[str, _Record]:
  """As the worker does, on a workload that takes no time."""
  scalars = scalars_lib.ScalarBuffer()
  record = _Record(scalars)
  workload = _workload()
  workload.attach_metrics_logger(scalars)
  TOLD.clock = clock_lib.SubmissionClock(fence=dispatch.fence)
  keys = seeds.trial_keys(0, 'external')
  submission = submission_lib.load(source, guard.start)
  guard.loaded()
  submission = guard.submission(submission, workload, _workload)
  hyperparameters = None
  space = source.search_space or source.path.with_suffix('.json')
  if space.is_file():
    point = tuning.load(space, 1, 0, 1)[0]
    hyperparameters = tuning.as_namedtuple(point)
  params, model_state = workload.init_model_fn(keys.model)
  state = trial_lib.TrainState(
    optimizer_state=submission.init_optimizer_state(
      workload, params, model_state, hyperparameters, keys.optimizer
    ),
    params=params,
    model_state=model_state,
  )
  ending = trial_lib.Trial(
    workload=workload,
    submission=submission,
    hyperparameters=hyperparameters,
    rules=trial_lib.Rules(budget=100.0, max_steps=_STEPS),
    queue=(b for b in workload.build_input_queue(keys.data, 'train', '', 16)),
    step_keys=seeds.StepKeySequence(keys.loop),
    clock=TOLD.clock,
    evaluate=guard.evaluation(
      lambda *args: evaluation.evaluate(workload, *args, data_dir=''),
      TOLD.clock,
    ),
    recorder=record,
    checkpoints=guard.checkpoints(_Checkpoints(state)),
  ).run(state)
  guard.check()
  return ending, record


def _run(name: str, data_dir: str) -> dict[str, object]:
  violations = []
  with tempfile.TemporaryDirectory() as scratch:
    _prepare(data_dir, scratch)
    source = sources.locate(name)
    guard = integrity.Guard(
      source,
      violations.append,
      data_dir=data_dir,
      experiment=TOLD.experiment,
      harness=(toy.__file__, __file__, jax.config.jax_compilation_cache_dir),
    )
    rows, message = [], ''
    try:
      status, record = _train(guard, source)
      rows = record.rows
    except Exception as error:
      error = guard.judge(error)
      violated = isinstance(error, integrity.ViolationError)
      status, message = integrity.STATUS if violated else 'failed', str(error)
  return {
    'status': str(status),
    'message': message,
    'violations': violations,
    'rows': rows,
  }


def main(arguments: Sequence[str]) -> None:
  """Takes a data directory and the paths of submissions."""
  data_dir, *paths = arguments
  with tempfile.TemporaryDirectory() as cache:
    jax.config.update('jax_compilation_cache_dir', cache)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
    for path in paths:
      _fork(path, data_dir)


def _fork(joined: str, data_dir: str) -> None:
  sys.stdout.flush()
  child = os.fork()
  if child == 0:
    paths = [pathlib.Path(path) for path in joined.split('+')]
    TOLD.together = tuple(paths)
    submission = paths[0] if len(paths) == 1 else _TOGETHER
    result = _run(str(submission), data_dir)
    print(json.dumps({'+'.join(p.stem for p in paths): result}), flush=True)
    os._exit(0)
  os.waitpid(child, 0)


if __name__ == '__main__':
  main(sys.argv[1:])
