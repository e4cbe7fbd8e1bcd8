"""Whether a submission's functions return what they must."""

from collections.abc import Callable
import dataclasses
import functools
import inspect
import os
from typing import Any

from algoperf import submission as submission_lib


class Problem(Exception):
  """What a submission does otherwise than it must."""

  def __init__(self, text: str, advice: str):
    super().__init__(text)
    self.advice = advice


def checked(
  submission: submission_lib.Submission,
) -> submission_lib.Submission:
  """The submission, whose functions say so if they return something else."""

  def triple(name: str) -> Callable[..., Any] | None:
    return _checked(
      getattr(submission, name),
      name,
      lambda value: isinstance(value, tuple | list) and len(value) == 3,
      '(optimizer_state, params, model_state)',
    )

  return dataclasses.replace(
    submission,
    init_optimizer_state=_checked(
      submission.init_optimizer_state,
      'init_optimizer_state',
      lambda value: True,
      '(state, update_function)',
    ),
    update_params=triple('update_params'),
    prepare_for_eval=submission.prepare_for_eval and triple('prepare_for_eval'),
    data_selection=_checked(
      submission.data_selection,
      'data_selection',
      lambda value: isinstance(value, dict),
      'a batch, a dictionary',
    ),
  )


def _checked(
  function: Callable[..., Any],
  name: str,
  is_right: Callable[[Any], bool],
  wanted: str,
) -> Callable[..., Any]:
  @functools.wraps(function)
  def call(*args: Any, **kwargs: Any) -> Any:
    try:
      value = function(*args, **kwargs)
    except TypeError as error:
      if error.__traceback__.tb_next is not None:
        raise
      raise Problem(
        f'{_place(function)}{error}', 'see submissions/README.md for arguments.'
      ) from error
    if not is_right(value):
      found = type(value).__name__
      if isinstance(value, tuple | list):
        found = f'{len(value)} values'
      raise Problem(
        f'{_place(function)}{name} returns {found}: must be {wanted}',
        'see submissions/README.md for what each function returns.',
      )
    return value

  return call


def _place(function: Callable[..., Any]) -> str:
  code = getattr(inspect.unwrap(function), '__code__', None)
  if code is None:
    return ''
  return f'{os.path.relpath(code.co_filename)}:{code.co_firstlineno}: '
