"""Every random number of a trial, from one 32-bit seed.

The keys are AlgoPerf's: a trial key is split in four (data, optimizer, model,
loop), and the key of a step, folded in from the loop's, in four again.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_BLOCK = 256


class TrialKeys(NamedTuple):
  """uint32[2] each."""

  data: np.ndarray
  optimizer: np.ndarray
  model: np.ndarray
  loop: np.ndarray


class StepKeys(NamedTuple):
  """uint32[2] each."""

  data_selection: np.ndarray
  update: np.ndarray
  prepare: np.ndarray
  evaluation: np.ndarray


def trial_keys(seed: int, ruleset: str) -> TrialKeys:
  """The four keys of a trial; only external tuning splits the seed's key."""
  key = jax.random.PRNGKey(seed)
  if ruleset == 'external':
    key = jax.random.split(key, 2)[0]
  return TrialKeys(*np.asarray(jax.random.split(key, 4)))


@jax.jit
def _block_of_keys(loop_key: jax.Array, first: jax.Array) -> jax.Array:
  def one(step: jax.Array) -> jax.Array:
    return jax.random.split(jax.random.fold_in(loop_key, step), 4)

  return jax.vmap(one)(first + jnp.arange(_BLOCK, dtype=jnp.uint32))


class StepKeySequence:
  """The keys of step 0, 1, 2 …, derived in blocks.

  Deriving keys step by step costs more than the rest of the loop together. The
  next block is dispatched when the current one begins, so that nothing waits.
  """

  def __init__(self, loop_key: np.ndarray, first_step: int = 0):
    self._loop_key = loop_key
    self._block = -1
    self._dispatch(first_step // _BLOCK)
    self._rows: list[StepKeys] = []

  def _dispatch(self, block: int) -> None:
    self._dispatched = block
    self._next = _block_of_keys(self._loop_key, np.uint32(block * _BLOCK))

  def __getitem__(self, step: int) -> StepKeys:
    """The keys of a step; quick where steps are asked for in order."""
    block, index = divmod(step, _BLOCK)
    if block != self._block:
      if block != self._dispatched:
        self._dispatch(block)
      self._rows = [StepKeys(*row) for row in np.asarray(self._next)]
      self._block = block
      self._dispatch(block + 1)
    return self._rows[index]
