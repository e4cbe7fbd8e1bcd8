"""Averages of parameters."""

from typing import Any

import jax


def average(old: Any, new: Any, decay: float) -> Any:
  return jax.tree.map(lambda a, b: decay * a + (1 - decay) * b, old, new)
