"""What a submission is lent."""

import jax.numpy as jnp
import numpy as np

from algoperf import lent
from algoperf import scalars as scalars_lib


def test_the_logger_keeps_numbers_under_names_that_are_nobody_elses():
  scalars = scalars_lib.ScalarBuffer()
  logger = lent.Logger(scalars)
  metrics = {
    'loss': jnp.float32(0.5),
    'train/loss': np.array(0.25),
    'global_step': 7,
    'rate': 1e-3,
    'phase': 'warm-up',
    'clipped': None,
    'layers': [1.0, 2.0],
  }
  logger.append_scalar_metrics(metrics, 7)
  assert scalars.drain() == [
    {
      'global_step': 7,
      'loss': 0.5,
      'submission/train/loss': 0.25,
      'submission/global_step': 7.0,
      'rate': 1e-3,
    }
  ]
