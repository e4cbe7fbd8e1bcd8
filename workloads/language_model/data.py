"""The text of the family as batches of tokens.

Each data set is a module of its own with these functions and NEEDS: windows cut
from the joined documents of `fineweb_edu_10b` (on disk) and `shakespeare_plays`
(in memory), and sentences, packed in training, of `lm1b`.
"""

from collections.abc import Iterator
import types

import grain

from algoperf import spec
from workloads.data import batches
from workloads.language_model import configs, fineweb, lm1b, plays

_DATA_SETS: dict[str, types.ModuleType] = {
  'fineweb_edu_10b': fineweb,
  'lm1b': lm1b,
  'shakespeare_plays': plays,
}


def prepare(
  config: configs.Config, data_dir: str, report: spec.Report = spec.silent
) -> None:
  """Puts the data of a configuration below data_dir unless they are there.

  Raises:
    UsageError: they cannot be made here.
  """
  _DATA_SETS[config.dataset].prepare(config, data_dir, report)


def check(config: configs.Config, data_dir: str) -> None:
  """Refuses data that are not there as a whole.

  Raises:
    UsageError: with the command that mends it.
  """
  _DATA_SETS[config.dataset].check(config, data_dir)


def needs(config: configs.Config) -> spec.DataNeeds:
  return _DATA_SETS[config.dataset].NEEDS


def train_batches(
  config: configs.Config,
  data_dir: str,
  batch_size: int,
  data_rng: spec.RandomState,
) -> grain.DatasetIterator[batches.Batch]:
  """Endless training batches: `inputs` and `targets`, int32 [B, L].

  Packed ones have `inputs_position`, `inputs_segmentation` and `weights` too;
  of others every token counts.

  Raises:
    UsageError: the data are not there.
  """
  return _DATA_SETS[config.dataset].train_batches(
    config, data_dir, batch_size, data_rng
  )


def eval_batches(
  config: configs.Config,
  data_dir: str,
  split: str,
  batch_size: int,
  tight: bool = False,
) -> Iterator[batches.Batch]:
  """One pass in order, with float32 `weights` [B, L]: 0 for padding.

  'eval_train' is taken from the training data. Batches are this host's rows of
  `batch_size`, or, if `tight`, of no more than the split needs.

  Raises:
    UsageError: the data are not there.
  """
  return _DATA_SETS[config.dataset].eval_batches(
    config, data_dir, split, batch_size, tight
  )
