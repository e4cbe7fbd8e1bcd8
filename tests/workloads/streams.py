"""What tests of streams of batches share."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from algoperf import spec


def take(queue: Any, count: int) -> list[spec.Batch]:
  """The first batches of a queue, which is closed."""
  batches = [next(queue) for _ in range(count)]
  queue.close()
  return batches


def joined(hosts: Iterable[list[spec.Batch]]) -> list[spec.Batch]:
  """Batches of which each host has some rows."""
  return [
    {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for parts in zip(*hosts, strict=True)
  ]


def assert_same(found: list[spec.Batch], expected: list[spec.Batch]) -> None:
  for batch, wanted in zip(found, expected, strict=True):
    assert set(batch) == set(wanted)
    for name, values in wanted.items():
      np.testing.assert_array_equal(batch[name], values)
