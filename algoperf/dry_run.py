"""A submission takes three steps on a toy, under guard.

Run by `inspection` as `python -m algoperf.dry_run INPUT`, because code of a
submission runs in a process of its own. INPUT is a JSON file, a `Task`; the
findings go to the descriptor that it names, as a JSON list.

Always on the CPU: there the same step gives the same bits.
"""

from collections.abc import Callable, Iterator
import dataclasses
import functools
import json
import os
import pathlib
import sys
import tempfile
import traceback
from typing import Any

import jax
import numpy as np

from algoperf import benchmark as benchmark_lib
from algoperf import clock as clock_lib
from algoperf import (
  dispatch,
  integrity,
  memory,
  rehearsal,
  returns,
  source_tree,
  sources,
  tuning,
)
from algoperf import submission as submission_lib
from algoperf.doctor import Finding

STEPS = 3
_SAVED_AFTER = 2  # Steps: by then everything has been compiled.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
  """What to run, on what; without a search space by the self-tuning ruleset."""

  submission: str
  search_space: str | None
  workload: str
  benchmark: str  # Whose workloads are asked a batch size for.
  descriptor: int


def main(task_path: str) -> int:
  """Sends what it found and returns the exit status."""
  content = json.loads(pathlib.Path(task_path).read_text(encoding='utf-8'))
  task = Task(**content)
  memory.volunteer()
  with (
    os.fdopen(task.descriptor, 'w', buffering=1, encoding='utf-8') as pipe,
    tempfile.TemporaryDirectory(prefix='algoperf-') as scratch,
  ):
    set_up_jax(pathlib.Path(scratch) / 'compiled')
    findings = DryRun(task, pathlib.Path(scratch)).findings()
    pipe.write(json.dumps([dataclasses.asdict(f) for f in findings]))
  return 0


def set_up_jax(cache: pathlib.Path) -> None:
  """For little time to compile; the same things are compiled twice."""
  for name, value in {
    'jax_platforms': 'cpu',
    'jax_disable_most_optimizations': True,
    'jax_compilation_cache_dir': str(cache),
    'jax_persistent_cache_min_compile_time_secs': 0.0,
    'jax_persistent_cache_min_entry_size_bytes': -1,
  }.items():
    jax.config.update(name, value)


class DryRun:
  """One submission on one workload."""

  def __init__(self, task: Task, scratch: pathlib.Path):
    from workloads import registry  # Imports every model.

    self._task = task
    self._source = sources.locate(task.submission)
    self._files = source_tree.read(self._source.path).files
    self._fresh = functools.partial(registry.get, task.workload)
    self._workload = self._fresh()
    self._data = str(scratch / 'data')
    self._guard = integrity.Guard(
      self._source,
      lambda violation: None,  # It remembers them.
      data_dir=self._data,
      experiment=scratch / 'experiment',
      harness=(
        sys.modules['__main__'].__file__,
        sys.modules[type(self._workload).__module__].__file__,
        jax.config.jax_compilation_cache_dir,
      ),
    )
    self._compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(self._on_event)
    self._clock = clock_lib.SubmissionClock(
      fence=dispatch.fence, compiled=dispatch.CompileTimer()
    )

  def _on_event(self, event: str, seconds: float, **about: Any) -> None:
    del seconds
    if event.endswith('backend_compile_duration'):
      self._compiled.append(str(about.get('fun_name', 'a function')))

  def findings(self) -> Iterator[Finding]:
    """What came of it; nothing that the submission does is raised."""
    pathlib.Path(self._data).mkdir()
    self._workload.prepare_data(self._data)
    what = 'import'
    try:
      submission = self._load(self._guard.start)
      self._guard.loaded()
      yield from self._batch_sizes(submission)
      what = f'dry run on {self._task.workload}'
      yield Finding(what=what, found=self._three_steps())
    except Exception as error:
      yield self._failure(what, error)

  def _batch_sizes(
    self, submission: submission_lib.Submission
  ) -> Iterator[Finding]:
    for row in benchmark_lib.load(self._task.benchmark).workloads:
      if row.variant_of is None:
        size, origin = submission_lib.batch_size(
          submission, row.name, row.name, row.goal.batch_size
        )
        yield Finding(what='batch size', found=f'{row.name} {size}: {origin}')

  def _three_steps(self) -> str:
    """Trains, saves, goes on; and goes on again from what was saved."""
    first = self._begin()
    first.train(_SAVED_AFTER)
    saved = first.save()
    self._compiled.clear()
    first.train(STEPS)
    if self._compiled:
      names = ', '.join(sorted(set(self._compiled)))
      raise returns.Problem(
        f'step {STEPS} compiles again: {names}',
        'what a step returns is to have the shapes, types and placement of '
        'what it gets, and a number that changes is to be an argument.',
      )
    losses = ' → '.join(f'{loss:.4g}' for loss in first.losses)
    if not np.isfinite(first.losses).all():
      raise returns.Problem(
        f'training loss is {losses}', 'try another first point.'
      )
    again = self._begin()
    again.restore(saved)
    again.train(STEPS)
    if different := first.difference(again):
      raise returns.Problem(
        f'step {STEPS} from a saved state ends otherwise: {different}',
        'keep all state in what update_params returns, and none in globals, '
        'closures or objects.',
      )
    return (
      f'{STEPS} steps, training loss {losses}; evaluated; saved and restored, '
      'the last step is the same to the bit; nothing compiled after the second'
    )

  def _load(
    self, before: Callable[[], None] = lambda: None
  ) -> submission_lib.Submission:
    """The code anew, as in another process: globals are forgotten."""
    for name, module in list(sys.modules.items()):
      path = getattr(module, '__file__', None)
      if path and pathlib.Path(path) in self._files:
        del sys.modules[name]
    return submission_lib.load(self._source, before)

  def _begin(self) -> rehearsal.Rehearsal:
    hyperparameters = None
    if self._task.search_space is not None:
      (point,) = tuning.load(self._task.search_space, 1, seed=0)[:1]
      hyperparameters = tuning.as_namedtuple(point)
    return rehearsal.Rehearsal(
      self._load(),
      self._workload,
      self._fresh,
      hyperparameters,
      guard=self._guard,
      clock=self._clock,
      data_dir=self._data,
    )

  def _failure(self, what: str, error: Exception) -> Finding:
    """One line that says what was raised, and where in the submission."""
    error = self._guard.judge(error)
    if isinstance(error, integrity.ViolationError):
      advice = 'a trial that does so is disqualified.'
      return Finding(what='integrity', found=str(error), advice=advice)
    if isinstance(error, returns.Problem):
      return Finding(what=what, found=str(error), advice=error.advice)
    text = str(error).strip().partition('\n')[0]
    return Finding(
      what=what,
      found=f'{self._place(error)}{type(error).__name__}: {text}',
      advice='a trial would fail there.',
    )

  def _place(self, error: Exception) -> str:
    """Where in the submission it was raised, or passed through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
      if pathlib.Path(frame.filename) in self._files:
        return f'{os.path.relpath(frame.filename)}:{frame.lineno}: '
    return ''


if __name__ == '__main__':
  sys.exit(main(sys.argv[1]))
