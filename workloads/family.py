"""What the workloads of all families share: configuration, data, evaluation."""

from collections.abc import Callable, Iterator
import dataclasses
from typing import Any, Protocol

import jax
import numpy as np

from algoperf import spec
from workloads import layers
from workloads.data import placement


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """What every configuration says; families add data and model."""

  name: str
  num_train_examples: int
  num_eval_train_examples: int
  num_validation_examples: int
  num_test_examples: int
  eval_batch_size: int
  dtype: str = 'float32'  # Of activations and logits.
  in_memory: bool = False  # The data, and batches for evaluation.
  workers: int = 0  # Processes that make examples, at most; else a thread does.


class Data(Protocol):
  """What a module of data defines.

  Batches for evaluation have float32 `weights`, 0 for padding. They are this
  host's rows, process p of n having the p-th n-th of each batch; those for
  training may also be whole.
  """

  def prepare(self, config: Any, data_dir: str, report: spec.Report) -> None:
    """Puts the data below data_dir unless they are there.

    Raises:
      UsageError: they cannot be made here.
    """

  def check(self, config: Any, data_dir: str) -> None:
    """Refuses data that are not there as a whole.

    Raises:
      UsageError: with the command that mends it.
    """

  def needs(self, config: Any) -> spec.DataNeeds:
    """What `prepare` takes."""

  def num_stored(self, config: Any, data_dir: str, split: str) -> int:
    """Examples on disk of 'train', 'validation' or 'test'."""

  def train_batches(
    self,
    config: Any,
    data_dir: str,
    batch_size: int,
    data_rng: spec.RandomState,
  ) -> Iterator[spec.Batch]:
    """Endless batches, in an order that depends on data_rng alone."""

  def eval_batches(
    self,
    config: Any,
    data_dir: str,
    split: str,
    batch_size: int,
    tight: bool = False,
  ) -> Iterator[spec.Batch]:
    """One pass in order; `tight`: no more rows than the split needs."""


class Workload(spec.Workload):
  """A configuration of a family as a workload."""

  def __init__(self, config: Any, data: Data):
    self.name = config.name
    self.config = config
    self._data = data
    self._kept: dict[tuple[str, str], list[spec.Batch]] = {}

  @property
  def loss_type(self) -> spec.LossType:
    return spec.LossType.SOFTMAX_CROSS_ENTROPY

  @property
  def compute_dtype(self) -> str:
    """What the model computes in; products of float32 at JAX's precision."""
    return self.config.dtype

  @property
  def num_train_examples(self) -> int:
    return self.config.num_train_examples

  @property
  def num_eval_train_examples(self) -> int:
    return self.config.num_eval_train_examples

  @property
  def num_validation_examples(self) -> int:
    return self.config.num_validation_examples

  @property
  def num_test_examples(self) -> int:
    return self.config.num_test_examples

  @property
  def eval_batch_size(self) -> int:
    return self.config.eval_batch_size

  def _initialised(self, *args: Any) -> dict[str, Any]:
    """The model's variables by `layers.init`; notes shapes and types."""
    variables, self._param_types = layers.init(self._model, *args)
    self._param_shapes = jax.tree.map(
      lambda leaf: spec.ShapeTuple(leaf.shape), variables['params']
    )
    return variables

  def prepare_data(
    self, data_dir: str, report: spec.Report = spec.silent
  ) -> None:
    self._data.prepare(self.config, data_dir, report)

  def require_data(self, data_dir: str) -> None:
    if self.config.in_memory:
      self.prepare_data(data_dir)
    else:
      self.check_data(data_dir)

  def check_data(self, data_dir: str) -> None:
    self._data.check(self.config, data_dir)

  def missing_examples(self, data_dir: str) -> str:
    if self.config.in_memory:
      return ''  # They are made here, and were counted then.
    wanted = {
      'train': self.num_train_examples,
      'validation': self.num_validation_examples,
      'test': self.num_test_examples,
    }
    found = {
      split: self._data.num_stored(self.config, data_dir, split)
      for split, number in wanted.items()
      if number
    }
    return ', '.join(
      f'{number} of the {wanted[split]} examples of {split}'
      for split, number in found.items()
      if number < wanted[split]
    )

  def data_needs(self) -> spec.DataNeeds:
    return self._data.needs(self.config)

  def build_input_queue(
    self,
    data_rng: spec.RandomState,
    split: str,
    data_dir: str,
    global_batch_size: int,
  ) -> Iterator[spec.Batch]:
    """Endless and shuffled for 'train', else one pass in order."""
    arguments = self.config, data_dir
    if split == 'train':
      return self._data.train_batches(*arguments, global_batch_size, data_rng)
    return self._data.eval_batches(*arguments, split, global_batch_size)

  def _rows_at_once(self) -> int:
    """Rows of an evaluation batch, at most."""
    return self.eval_batch_size

  def _keeps_batches(self) -> bool:
    """Whether those for evaluation are few."""
    return self.config.in_memory

  def _each_batch(
    self,
    split: str,
    data_dir: str,
    params: spec.ParameterContainer,
    function: Callable[[spec.Batch], Any],
  ) -> list[Any]:
    """What the function makes of each batch of a split, as numpy arrays.

    Batches are divided over the devices that the parameters are on, and no more
    than two wait there.
    """
    results = []
    for batch in placement.ahead(self._host_batches(split, data_dir), params):
      results.append(function(batch))
      jax.block_until_ready(results[-2:-1])
    return placement.whole(results)

  def _host_batches(self, split: str, data_dir: str) -> Iterator[spec.Batch]:
    """This host's rows, made once if they are few."""
    if (split, data_dir) in self._kept:
      return iter(self._kept[split, data_dir])
    made = self._data.eval_batches(
      self.config, data_dir, split, self._rows_at_once(), tight=True
    )
    if not self._keeps_batches():
      return made
    self._kept[split, data_dir] = list(made)
    return iter(self._kept[split, data_dir])


def total(sums: list[Any]) -> Any:
  """The sums of batches, trees of numbers, added up in float64."""
  return jax.tree.map(
    lambda *terms: float(np.sum(terms, dtype=np.float64)), *sums
  )
