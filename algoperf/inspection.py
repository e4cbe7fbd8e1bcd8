"""What a submission is, and whether it is ready to run here."""

from collections.abc import Iterator
import os
import pathlib

from algoperf import benchmark as benchmark_lib
from algoperf import module_file, older_api, source_tree, spec, tuning
from algoperf import submission as submission_lib
from algoperf.doctor import Finding

_OPTIONAL = ('prepare_for_eval', 'eval_params')


def examine(
  reference: str, space: pathlib.Path | None, benchmark: str
) -> Iterator[Finding]:
  """Reads a submission, then imports it; trains nothing.

  Args:
    reference: as `submission.locate` takes it.
    space: a search space; None for the one beside the submission.
    benchmark: name or file of the definition whose workloads to ask it about.

  Raises:
    UsageError: it cannot run here, in one line.
  """
  source = submission_lib.locate(reference)
  tree = submission_lib.check(source)
  yield Finding(what='submission', found=f'{source.name}: {_names(tree)}')
  yield Finding(what='form', found=_form(tree))
  yield _search_space(space or source.search_space)
  for use in tree.missing:
    yield Finding(
      what='import', found=f'{use}: {use.name} is not there, and not needed'
    )
  if use := tree.names.get(submission_lib.LOSS_DROPOUT):
    found = f'{use}: loss_fn has no dropout_rate: ignored'
    yield Finding(what='argument', found=found)
  for note in older_api.adapt(tree):
    advice = 'expect it to fail where that line is run.'
    yield Finding(
      what='older name',
      found=str(note),
      advice='' if note.successor else advice,
    )
  try:
    loaded = submission_lib.load(source)
  except spec.UsageError:
    raise
  except Exception as error:
    found = f'{type(error).__name__}: {str(error).partition(chr(10))[0]}'
    yield Finding(
      what='import', found=found, advice='see its traceback: run it.'
    )
    return
  for row in benchmark_lib.load(benchmark).workloads:
    if row.variant_of is None:
      yield _batch_size(loaded, row)


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


def _search_space(space: pathlib.Path | None) -> Finding:
  what = 'search space'
  if space is None:
    return Finding(what=what, found='none: hyperparameters are None')
  (point,) = tuning.load(space, 1, seed=0)
  return Finding(
    what=what, found=f'{os.path.relpath(space)}: {", ".join(point)}'
  )


def _batch_size(
  loaded: submission_lib.Submission, row: benchmark_lib.WorkloadRow
) -> Finding:
  size, origin = submission_lib.batch_size(
    loaded, row.name, row.name, row.goal.batch_size
  )
  return Finding(what='batch size', found=f'{row.name} {size}: {origin}')
