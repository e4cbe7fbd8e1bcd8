"""Data sets that are drawn at random: to try code on, not to measure it."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from algoperf import spec
from workloads.data import batches

Draw = Callable[[Any, int, np.random.Generator], batches.Arrays]


class Generated:
  """A family's data, the same for all and at once.

  Follows `family.Data`; its batches are those of arrays in memory.
  """

  def __init__(
    self,
    draw: Draw,
    weigh: Callable[[batches.Batch], batches.Batch] = lambda batch: batch,
  ):
    """Draws nothing yet.

    Args:
      draw: (config, number of examples, generator) → arrays.
      weigh: gives the `weights` of an evaluation batch, [B], another shape.
    """
    self._draw = draw
    self._weigh = weigh

  def prepare(self, config: Any, data_dir: str, report: spec.Report) -> None:
    del config, data_dir, report  # There is nothing to prepare.

  def check(self, config: Any, data_dir: str) -> None:
    del config, data_dir

  def needs(self, config: Any) -> spec.DataNeeds:
    del config
    return spec.DataNeeds(source='nothing', disk_gib=0.0, time='no time')

  def train_batches(
    self,
    config: Any,
    data_dir: str,
    batch_size: int,
    data_rng: spec.RandomState,
  ) -> Iterator[batches.Batch]:
    del data_dir
    arrays = self._split(config, 'train')
    return batches.train_batches(arrays, batch_size, data_rng)

  def eval_batches(
    self,
    config: Any,
    data_dir: str,
    split: str,
    batch_size: int,
    tight: bool = False,
  ) -> Iterator[batches.Batch]:
    del data_dir
    arrays = self._split(config, split)
    return map(self._weigh, batches.eval_batches(arrays, batch_size, tight))

  def _split(self, config: Any, split: str) -> batches.Arrays:
    count = getattr(config, f'num_{split}_examples')
    rng = np.random.default_rng(spec.SPLITS.index(split))
    return self._draw(config, count, rng)
