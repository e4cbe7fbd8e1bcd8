"""What is recorded of how a trial ended."""

import traceback

import jax

from algoperf import integrity, records, spec
from algoperf import trial as trial_lib

_WITHOUT_HYPERPARAMETERS = {
  'self': 'hyperparameters are None in ruleset self: a submission with a '
  'search space is for --ruleset=external',
  'external': 'hyperparameters are None without a search space: put a '
  'tuning_search_space.json beside the submission, or give one by '
  '--tuning_search_space',
}


def status(error: BaseException) -> str:
  """What an exception makes of the trial that it ended."""
  if records.is_full(error):
    return trial_lib.Ending.INTERRUPTED
  if isinstance(error, integrity.ViolationError):
    return integrity.STATUS
  text = str(error)
  if isinstance(error, MemoryError) or (
    isinstance(error, jax.errors.JaxRuntimeError)
    and 'RESOURCE_EXHAUSTED' in text
  ):
    return 'out_of_memory'
  return 'failed'


def formatted(error: BaseException) -> str:
  return ''.join(traceback.format_exception(error))


def one_line(error: BaseException, trial: records.TrialSpec) -> str:
  """What ended a trial, for its record and whoever watches it."""
  if records.is_full(error):
    return records.FULL
  text = str(error).strip().partition('\n')[0]
  line = f'{type(error).__name__}: {text}' if text else type(error).__name__
  if trial.hyperparameters is None and _is_attribute_of_none(error):
    line += f' ({_WITHOUT_HYPERPARAMETERS[trial.ruleset]})'
  return line


def _is_attribute_of_none(error: BaseException) -> bool:
  return (
    isinstance(error, AttributeError)
    and error.name is not None  # Raised by Python, not by hand.
    and error.obj is None
  )


def target(
  goal: spec.Goal, state: trial_lib.TrainState
) -> dict[str, float] | None:
  """The first evaluation that met the validation target, and the miss before.

  The time to target is known to lie in (last_miss, time].
  """
  last_miss = 0.0
  for step, results in state.eval_results:
    if goal.reached('validation', results):
      return {'step': step, 'time': results['score'], 'last_miss': last_miss}
    last_miss = results['score']
  return None
