"""Which rows of a global batch are this host's, and how they are stacked."""

from collections.abc import Mapping, Sequence
import dataclasses
import math
from typing import Any

import jax
import numpy as np

from algoperf import spec
from workloads.data import ahead

Hosts = tuple[int, int]  # Index of this host, number of hosts.

_BLOCK = 16  # Examples that a worker hands over at once, at most.
_CPU_BYTES = 1 << 29  # Of float32 logits and the like.
_DEVICE_BYTES = 1 << 33


def this_host() -> Hosts:
  return jax.process_index(), jax.process_count()


@dataclasses.dataclass(frozen=True)
class Rows:
  """This host's rows of batches of `batch_size` rows over all hosts.

  Raises:
    UsageError: the rows cannot be divided evenly over the hosts.
  """

  batch_size: int
  hosts: Hosts

  def __post_init__(self) -> None:
    if self.batch_size < 1 or self.batch_size % self.hosts[1]:
      raise spec.UsageError(
        f'Batch size {self.batch_size} is not a positive multiple of the '
        f'{self.hosts[1]} hosts: choose one that is.'
      )

  @property
  def per_host(self) -> int:
    return self.batch_size // self.hosts[1]

  @property
  def own(self) -> slice:
    """Where they are in a global batch."""
    first = self.hosts[0] * self.per_host
    return slice(first, first + self.per_host)

  def block(self) -> int:
    """Rows that are handed over at once: the largest divisor in the limit."""
    limit = min(_BLOCK, self.per_host)
    return next(n for n in range(limit, 0, -1) if self.per_host % n == 0)

  def position(self, row: int) -> int:
    """Position in the global order of row `row` of this host's stream."""
    batch, row_in_batch = divmod(row, self.per_host)
    return batch * self.batch_size + self.own.start + row_in_batch

  def stack(
    self, examples: Sequence[Mapping[str, Any]]
  ) -> dict[str, np.ndarray]:
    """This host's part of the global batch with these examples."""
    return stack(examples[self.own])


class Blocks:
  """This host's rows, `size` of them to an element."""

  def __init__(self, examples: ahead.Elements, rows: Rows, size: int):
    self._examples = examples
    self._rows = rows
    self._size = size

  def __getitem__(self, index: int) -> dict[str, np.ndarray]:
    rows = range(index * self._size, (index + 1) * self._size)
    return stack([self._examples[self._rows.position(row)] for row in rows])


def stack(examples: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
  return {key: np.stack([e[key] for e in examples]) for key in examples[0]}


def join(blocks: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
  # Copies even a single block: workers lend the memory it is in.
  return {key: np.concatenate([b[key] for b in blocks]) for key in blocks[0]}


def fitting(batch_size: int, bytes_per_row: int) -> int:
  """How many rows of an evaluation batch are worked on at once.

  The largest divisor of the batch size that is a multiple of the number of
  devices, and whose largest array, so many bytes a row, fits easily into their
  memory; or else a row for each device.
  """
  devices = jax.device_count()
  on_cpu = jax.default_backend() == 'cpu'
  limit = _CPU_BYTES if on_cpu else _DEVICE_BYTES * devices
  most = min(batch_size, limit // bytes_per_row)
  divisors = (n for n in range(most, 0, -1) if batch_size % n == 0)
  return next((n for n in divisors if n % devices == 0), devices)


def needed(batch_size: int, num_examples: int) -> int:
  """A batch size that can be divided over the devices.

  At most that given, at least one for each device, and otherwise no more than
  all examples need.
  """
  devices = jax.device_count()
  most = max(1, batch_size // devices)
  return devices * min(most, math.ceil(num_examples / devices))
