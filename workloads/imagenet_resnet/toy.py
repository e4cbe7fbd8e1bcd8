"""Images to try code on: of each class a pattern, and noise."""

import numpy as np

from workloads.data import batches, generated
from workloads.imagenet_resnet import configs


def _draw(
  config: configs.Config, count: int, rng: np.random.Generator
) -> batches.Arrays:
  """`inputs`, float32 [N, H, W, C], and `targets`, int32 [N]."""
  targets_N = np.arange(count, dtype=np.int32) % config.num_classes
  patterns = np.random.default_rng(0).normal(
    size=(config.num_classes, *config.image_shape)
  )
  noise = rng.normal(size=(count, *config.image_shape))
  inputs = (patterns[targets_N] + 0.5 * noise).astype(np.float32)
  return {'inputs': inputs, 'targets': targets_N}


DATA = generated.Generated(_draw)
