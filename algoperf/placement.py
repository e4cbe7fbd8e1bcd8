"""Where the arrays of a trial lie, and how they come to lie there."""

from collections.abc import Callable, Iterable, Iterator
import functools

from algoperf import (
  device_axis,
  evaluation,
  seeds,
  sharding,
  spec,
)
from algoperf import submission as submission_lib
from algoperf import trial as trial_lib


class Placement:
  """With a leading axis of devices or without, as a submission wants them."""

  def __init__(self, submission: submission_lib.Submission):
    self._has_axis = submission.device_axis
    self._arrays = device_axis if self._has_axis else sharding

  def model(
    self, workload: spec.Workload, key: spec.RandomState
  ) -> spec.ModelInitState:
    """New parameters and model state, a copy for each device."""
    params, model_state = workload.init_model_fn(key)
    return self._arrays.replicate(params), self._arrays.replicate(model_state)

  def state(
    self,
    model: spec.ModelInitState,
    workload: spec.Workload,
    submission: submission_lib.Submission,
    hyperparameters: spec.Hyperparameters,
    keys: seeds.TrialKeys,
  ) -> trial_lib.TrainState:
    """A model and its optimizer state, before the first step."""
    params, model_state = model
    optimizer_state = submission.init_optimizer_state(
      workload, params, model_state, hyperparameters, keys.optimizer
    )
    return trial_lib.TrainState(
      optimizer_state=self._arrays.settle(optimizer_state),
      params=params,
      model_state=model_state,
    )

  def batches(
    self, queue: Iterable[spec.Batch], batch_size: int
  ) -> Iterator[spec.Batch]:
    """The batches of a queue, each split among the devices when asked for."""
    return (self._arrays.place_batch(batch, batch_size) for batch in queue)

  def evaluation(
    self, workload: spec.Workload, data_dir: str
  ) -> Callable[..., dict[str, float]]:
    """(params, model_state, rng) → results, of such a model."""
    evaluate = functools.partial(
      evaluation.evaluate, workload, data_dir=data_dir
    )
    return device_axis.without_axis(evaluate) if self._has_axis else evaluate
