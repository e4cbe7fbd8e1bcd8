"""Check and load a submission: the code of a training algorithm.

`check` reads files and imports nothing of the submission; `load` runs its
code. A submission defines either the functions of AlgoPerf's API or only
`optimizer(hyperparameters, step_hint)`, see `algoperf.short_form`.
"""

from collections.abc import Callable
import dataclasses
import hashlib
import inspect
import operator
import types

from algoperf import module_file, source_tree, sources, spec

FULL_FORM = (
  'get_batch_size',
  'init_optimizer_state',
  'update_params',
  'data_selection',
)
SHORT_FORM = 'optimizer'

# A call that some submissions make, though AlgoPerf's loss knows no dropout.
LOSS_DROPOUT = '.loss_fn(dropout_rate=)'

_RULE = (
  f'a submission defines {SHORT_FORM}(hyperparameters, step_hint), or all of '
  + ', '.join(FULL_FORM)
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
  """The functions of a submission, as in AlgoPerf 0.6."""

  get_batch_size: Callable[[str], int] | None  # None only of the short form.
  init_optimizer_state: spec.InitOptimizerFn
  update_params: spec.UpdateParamsFn
  data_selection: spec.DataSelectionFn
  prepare_for_eval: spec.UpdateParamsFn | None
  takes_train_state: bool  # Whether update_params accepts `train_state`.
  device_axis: bool = False  # Whether arrays have a leading axis of devices.
  notes: tuple[str, ...] = ()  # What was done so that it runs here.


def check(source: sources.Source) -> source_tree.SourceTree:
  """Checks a submission by reading it, without running any of it.

  Raises:
    UsageError: a syntax error (with file and line), missing functions, an
      import of what is not there, or a submission for PyTorch.
  """
  tree = source_tree.read(source.path)
  for use in tree.imports:
    if use.required and use.name.partition('.')[0] == 'torch':
      raise spec.UsageError(
        f'{use}: imports torch: this harness runs JAX submissions only.'
      )
  for use in tree.missing:
    if use.required:
      raise spec.UsageError(f'{use}: imports {use.name}, {_remedy(use.name)}.')
  defined = set(module_file.defined_names(tree.files[source.path].body))
  if '*' not in defined:
    _check_functions(source, defined)
  return tree


def _remedy(missing: str) -> str:
  """What to do about an import of a module that is not there."""
  if source_tree.harness_module(missing):
    return (
      'which this harness does not have: for submissions there are '
      'algoperf.spec and algoperf.jax_sharding_utils'
    )
  top = missing.partition('.')[0]
  return (
    f'which is neither installed nor beside it: pip install {top}, or give the '
    'submission by its path in the repository that it belongs to'
  )


def is_for_device_axis(tree: source_tree.SourceTree) -> bool:
  """Whether a submission is written for AlgoPerf 0.5: with jax.pmap.

  That of 0.6 has helpers for shardings instead, which 0.5 has not; whoever
  uses them means global arrays.
  """
  newer = any(name.endswith('.jax_sharding_utils') for name in tree.names)
  return 'jax.pmap' in tree.names and not newer


def load(
  source: sources.Source, before: Callable[[], None] = lambda: None
) -> Submission:
  """Imports a submission; whatever its code raises is passed on.

  Where it uses names that are gone by now, their successors stand in; see
  `older_api`. One written with jax.pmap is lifted; see `device_axis`.

  Args:
    source: the submission.
    before: called when all is ready and nothing of the submission has run.

  Raises:
    UsageError: functions are missing.
  """
  from algoperf import loader, older_api, short_form  # Imports jax.

  tree = source_tree.read(source.path)
  notes = tuple(map(str, older_api.adapt(tree)))
  before()
  identity = hashlib.sha256(f'{source.path}:{source.digest}'.encode())
  module = loader.load(tree, f'algoperf_submission_{identity.hexdigest()[:16]}')
  defined = {name for name in vars(module) if callable(getattr(module, name))}
  _check_functions(source, defined)
  if SHORT_FORM in defined and not _is_full(defined):
    submission = short_form.lift(module)
  else:
    submission = _lifted(tree, _functions(module))
  return dataclasses.replace(submission, notes=notes)


def _functions(module: types.ModuleType) -> Submission:
  parameters = inspect.signature(module.update_params).parameters.values()
  return Submission(
    **{name: getattr(module, name) for name in FULL_FORM},
    prepare_for_eval=getattr(module, 'prepare_for_eval', None),
    takes_train_state=any(
      parameter.name == 'train_state' or parameter.kind is parameter.VAR_KEYWORD
      for parameter in parameters
    ),
  )


def _lifted(tree: source_tree.SourceTree, submission: Submission) -> Submission:
  """The submission, made to fit where it was written for something else."""
  if LOSS_DROPOUT in tree.names:
    from algoperf import views

    submission = views.through(submission, views.with_loss_dropout)
  if is_for_device_axis(tree):
    from algoperf import device_axis  # Imports jax.

    submission = device_axis.lift(submission)
  return submission


def batch_size(
  submission: Submission, workload_name: str, base_name: str, default: int
) -> tuple[int, str]:
  """The global training batch size for a workload, and who says so.

  Args:
    submission: may know a workload; if it raises, or answers None, it does not.
    workload_name: is asked for first.
    base_name: is asked for next: of the workload that this is a variant of.
    default: what the benchmark definition says; for submissions that know only
      AlgoPerf's workloads, on a workload of ours.

  Raises:
    UsageError: the submission's answer is no positive integer.
  """
  if submission.get_batch_size is None:
    return default, f"batches are the definition's, of {default}"
  said = None
  for name in dict.fromkeys((workload_name, base_name)):
    call = f'get_batch_size({name!r})'
    try:
      size = submission.get_batch_size(name)
    except Exception as error:  # Each has its own way to say it.
      said = said or f'{call} raises {type(error).__name__}'
      continue
    if size is None:
      said = said or f'{call} is None'
      continue
    if isinstance(size, bool) or not hasattr(size, '__index__') or size < 1:
      raise spec.UsageError(f'{call} is {size!r}: must be a positive integer.')
    return operator.index(size), f'{call} is {size}'
  return default, f"{said}: batches are the definition's, of {default}"


def _is_full(defined: set[str]) -> bool:
  """Whether these names make up, or begin, a submission in the full form."""
  return 'update_params' in defined or 'init_optimizer_state' in defined


def _check_functions(source: sources.Source, defined: set[str]) -> None:
  if SHORT_FORM in defined and not _is_full(defined):
    return
  missing = [name for name in FULL_FORM if name not in defined]
  if len(missing) == len(FULL_FORM):
    raise spec.UsageError(f'{source.path}: defines no submission: {_RULE}.')
  if missing:
    raise spec.UsageError(
      f'{source.path}: {", ".join(missing)} missing: {_RULE}.'
    )
