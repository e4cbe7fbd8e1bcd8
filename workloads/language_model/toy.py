"""Sequences to try code on: each counts up in steps of its own."""

import numpy as np

from workloads.data import batches, generated
from workloads.language_model import configs


def _draw(
  config: configs.Config, count: int, rng: np.random.Generator
) -> batches.Arrays:
  """`inputs` and `targets`, the next token of each, int32 [N, L]."""
  first_N, step_N = rng.integers(1, 4, (2, count))
  place_T = np.arange(config.sequence_length + 1)
  tokens_NxT = first_N[:, None] + step_N[:, None] * place_T
  tokens_NxT = (tokens_NxT % config.vocab_size).astype(np.int32)
  return {'inputs': tokens_NxT[:, :-1], 'targets': tokens_NxT[:, 1:]}


def _weigh(batch: batches.Batch) -> batches.Batch:
  """Every token of an example has its weight."""
  weights_BxL = np.broadcast_to(
    batch['weights'][:, None], batch['targets'].shape
  )
  return batch | {'weights': weights_BxL}


DATA = generated.Generated(_draw, _weigh)
