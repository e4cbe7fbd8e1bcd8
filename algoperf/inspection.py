"""What a submission is, and whether it is ready to run here."""

from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

from algoperf import benchmark as benchmark_lib
from algoperf import (
  lint,
  module_file,
  older_api,
  source_tree,
  sources,
  spec,
  tuning,
)
from algoperf import submission as submission_lib
from algoperf.doctor import Finding

_OPTIONAL = ('prepare_for_eval', 'eval_params')
_WORKER = 'algoperf.dry_run'
_SECONDS = 600.0


def examine(
  reference: str,
  space: pathlib.Path | None,
  benchmark: str,
  *,
  dry_run: bool = True,
) -> Iterator[Finding]:
  """Reads a submission, then has another process train it for three steps.

  Args:
    reference: as `sources.locate` takes it.
    space: a search space; None for the one beside the submission.
    benchmark: name or file of the definition whose workloads to ask it about.
    dry_run: whether to run any of it.

  Raises:
    UsageError: it cannot run here, in one line.
  """
  source = sources.locate(reference)
  tree = submission_lib.check(source)
  yield Finding(what='submission', found=f'{source.name}: {_names(tree)}')
  yield Finding(what='form', found=_form(tree))
  space = space or source.search_space
  finding, names = _search_space(space)
  yield finding
  for use in tree.missing:
    yield Finding(
      what='import', found=f'{use}: {use.name} is not there, and not needed'
    )
  if use := tree.names.get(submission_lib.LOSS_DROPOUT):
    found = f'{use}: loss_fn has no dropout_rate: ignored'
    yield Finding(what='argument', found=found)
  yield from _older_names(tree)
  yield from _rules(tree, names)
  if not dry_run:
    return
  if finding.advice:
    yield Finding(what='dry run', found='left out, for want of a search space')
    return
  yield from _dry_run(source, space, benchmark)


def _names(tree: source_tree.SourceTree) -> str:
  return ', '.join(os.path.relpath(path) for path in tree.files)


def _form(tree: source_tree.SourceTree) -> str:
  """Which functions it defines, and for which API."""
  defined = set(module_file.defined_names(tree.files[tree.path].body))
  if submission_lib.SHORT_FORM in defined:
    names = (submission_lib.SHORT_FORM, *_OPTIONAL)
    form = 'short'
  else:
    names = (*submission_lib.FULL_FORM, *_OPTIONAL)
    form = 'full'
  if submission_lib.is_for_device_axis(tree):
    form = "full, for AlgoPerf 0.5's pmap: arrays have an axis of devices"
  return f'{form}: {", ".join(name for name in names if name in defined)}'


def _search_space(
  space: pathlib.Path | None,
) -> tuple[Finding, frozenset[str] | None]:
  """What there is to tune, and its names if they can be told."""
  what = 'search space'
  if space is None:
    return Finding(
      what=what, found='none: hyperparameters are None'
    ), frozenset()
  try:
    names = tuning.names(space)
  except spec.UsageError as error:
    advice = 'its two forms are in submissions/README.md.'
    return Finding(what=what, found=str(error), advice=advice), None
  found = f'{os.path.relpath(space)}: {", ".join(names)}'
  return Finding(what=what, found=found), frozenset(names)


def _older_names(tree: source_tree.SourceTree) -> Iterator[Finding]:
  for note in older_api.adapt(tree):
    advice = 'expect it to fail where that line is run.'
    yield Finding(
      what='older name',
      found=str(note),
      advice='' if note.successor else advice,
    )


def _rules(
  tree: source_tree.SourceTree, hyperparameters: frozenset[str] | None
) -> Iterator[Finding]:
  workloads = {
    row.name
    for name in benchmark_lib.available()
    for row in benchmark_lib.load(name).workloads
  }
  broken = False
  for breach in lint.read(tree, workloads, hyperparameters):
    broken = True
    yield Finding(
      what=breach.rule, found=str(breach), advice=lint.RULES[breach.rule]
    )
  if not broken:
    yield Finding(what='rules', found=f'{len(lint.RULES)} read, none is broken')


def _dry_run(
  source: sources.Source, space: pathlib.Path | None, benchmark: str
) -> Iterator[Finding]:
  """What comes of it, on all families at once."""
  from workloads import registry

  task = {
    'submission': str(source.path),
    'search_space': space and str(space),
    'benchmark': benchmark,
  }
  told = set()  # Some things are the same on all of them.
  with contextlib.ExitStack() as stack:
    runs = [
      stack.enter_context(_DryRun(task | {'workload': workload}))
      for workload in registry.toys()
    ]
    for run in runs:
      for finding in run.findings():
        if finding not in told:
          told.add(finding)
          yield finding


class _DryRun:
  """A process of its own that trains on one workload."""

  def __init__(self, task: dict[str, Any]):
    self._workload = task['workload']
    self._files = contextlib.ExitStack()
    read_end, write_end = os.pipe()
    self._pipe = self._files.enter_context(os.fdopen(read_end))
    scratch = self._files.enter_context(
      tempfile.TemporaryDirectory(prefix='algoperf-')
    )
    file = pathlib.Path(scratch, 'task.json')
    file.write_text(json.dumps(task | {'descriptor': write_end}))
    self._process = subprocess.Popen(
      [sys.executable, '-P', '-m', _WORKER, str(file)],
      stdin=subprocess.DEVNULL,
      stdout=subprocess.DEVNULL,  # What the submission prints.
      stderr=subprocess.DEVNULL,
      pass_fds=[write_end],
      start_new_session=True,
    )
    os.close(write_end)
    self._timer = threading.Timer(_SECONDS, self._end)
    self._timer.start()

  def __enter__(self) -> '_DryRun':
    return self

  def __exit__(self, *_: object) -> None:
    self._timer.cancel()
    self._end()
    self._process.wait()
    self._files.close()

  def _end(self) -> None:
    """Ends it and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
      os.killpg(self._process.pid, signal.SIGKILL)

  def findings(self) -> list[Finding]:
    """Waits for what it found."""
    said = self._pipe.read()
    status = self._process.wait()
    if said:
      return [Finding(**found) for found in json.loads(said)]
    how = f'ended itself with exit status {status}'
    if status < 0:
      how = f'was ended by {signal.Signals(-status).name}'
    if not self._timer.is_alive():
      how = f'was not through after {_SECONDS:.0f} s'
    return [
      Finding(
        what=f'dry run on {self._workload}',
        found=f'its process {how}',
        advice='see its log: algoperf run --max_steps=3 on a small workload.',
      )
    ]
