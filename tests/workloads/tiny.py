"""What tiny data sets on disk have in common."""

from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds

from workloads.data import store

Examples = Iterator[tuple[Any, dict[str, Any]]]


class Builder(store.Builder, skip_registration=True):
  """Splits of given sizes."""

  def __init__(self, *, sizes: Mapping[str, int], **arguments: Any):
    self._sizes = sizes
    super().__init__(**arguments)

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Examples]:
    del dl_manager
    return {
      split: self._generate_examples(split, size)
      for split, size in self._sizes.items()
    }

  def _generate_examples(self, split: str, size: int) -> Examples:
    raise NotImplementedError
