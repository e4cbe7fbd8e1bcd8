"""What a submission gets in the workload's place, where it expects another."""

from collections.abc import Callable, Iterator, Mapping
import copy
import dataclasses
import functools
from typing import Any

from algoperf import spec
from algoperf import submission as submission_lib

MakeView = Callable[[spec.Workload, spec.Hyperparameters], spec.Workload]


def through(
  submission: submission_lib.Submission, make: MakeView
) -> submission_lib.Submission:
  """The submission, whose functions get a view of the workload.

  Args:
    submission: its functions.
    make: (workload, hyperparameters) → view; called once for each workload,
      because the workload may be a static argument of compiled functions.
  """
  views: dict[spec.Workload, spec.Workload] = {}

  def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
  ) -> spec.OptimizerState:
    views[workload] = make(workload, hyperparameters)
    return submission.init_optimizer_state(
      views[workload], model_params, model_state, hyperparameters, rng
    )

  def viewing(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
      if args:
        return function(views[args[0]], *args[1:], **kwargs)
      return function(**kwargs | {'workload': views[kwargs['workload']]})

    return call

  prepare = submission.prepare_for_eval
  return dataclasses.replace(
    submission,
    init_optimizer_state=init_optimizer_state,
    update_params=viewing(submission.update_params),
    data_selection=viewing(submission.data_selection),
    prepare_for_eval=prepare and viewing(prepare),
  )


def with_loss_dropout(
  workload: spec.Workload, hyperparameters: spec.Hyperparameters
) -> spec.Workload:
  """The workload, whose loss ignores an argument that some pass to it."""
  del hyperparameters
  view = copy.copy(workload)

  def loss_fn(
    *args: Any, dropout_rate: float = 0.0, **kwargs: Any
  ) -> dict[str, spec.Tensor]:
    del dropout_rate  # The forward pass has dropped out what there is to drop.
    return workload.loss_fn(*args, **kwargs)

  view.loss_fn = loss_fn
  return view


class Attributes(Mapping[str, Any]):
  """A read-only mapping whose values are attributes, too."""

  def __init__(self, values: Mapping[str, Any]):
    self._values = values

  def __getitem__(self, key: str) -> Any:
    return self._values[key]

  def __iter__(self) -> Iterator[str]:
    return iter(self._values)

  def __len__(self) -> int:
    return len(self._values)

  def __getattr__(self, name: str) -> Any:
    if name.startswith('_') or name not in self._values:
      raise AttributeError(name)
    return self._values[name]

  def __repr__(self) -> str:
    return f'{type(self).__name__}({self._values!r})'
