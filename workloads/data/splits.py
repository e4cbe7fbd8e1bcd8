"""Splits of prepared data sets that stay on disk."""

from collections.abc import Iterator, Mapping, Sequence
import functools
import pathlib
import re
from typing import Any, Protocol

import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import formats

Example = Mapping[str, Any]

_VERSION = re.compile(r'\d+\.\d+\.\d+')
_AT_ONCE = 1024  # Examples read together when all are.


class RandomAccess(Protocol):
  """Examples by index."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int) -> Example: ...

  def __iter__(self) -> Iterator[Example]: ...


def open_split(
  data_dir: str,
  name: str,
  split: str,
  *,
  skip: Sequence[str] = (),
  limit: int | None = None,
  workload: str = 'WORKLOAD',
) -> RandomAccess:
  """A split of the newest version on disk of a prepared TFDS data set.

  Can be pickled; opens its files in each process when first read.

  Args:
    data_dir: directory that has the data set.
    name: such as 'imagenet2012' or 'wmt17_translate/de-en'.
    split: such as 'train'.
    skip: features that are given as the bytes they are stored in.
    limit: how many examples to have at most, the first ones.
    workload: name for the error's advice.

  Raises:
    UsageError: the data set is not there, or not as a whole, or not in a
      format with random access.
  """
  return _Stored(
    _directory(data_dir, name, split, workload), split, skip, limit
  )


def is_prepared(data_dir: str, name: str, split: str) -> bool:
  """Whether `open_split` would find the split."""
  try:
    _directory(data_dir, name, split, '')
  except spec.UsageError:
    return False
  return True


def _directory(data_dir: str, name: str, split: str, workload: str) -> str:
  """Where the newest prepared version is."""
  mend = f'run `algoperf data prepare {workload} --data_dir={data_dir}`.'
  root = pathlib.Path(data_dir, name)
  versions = [
    path.parent
    for path in root.glob('*/dataset_info.json')
    if _VERSION.fullmatch(path.parent.name)
  ]
  if not versions:
    state = 'not finished' if formats.unfinished(root / '*') else 'missing'
    raise spec.UsageError(
      f'The data set {name} in {data_dir} is {state}: {mend}'
    )
  newest = max(versions, key=lambda path: [*map(int, path.name.split('.'))])
  found = formats.of(newest)
  if formats.RANDOM_ACCESS not in found:
    raise spec.UsageError(
      f'The data set {newest} is in the format {", ".join(sorted(found))}, '
      f'which has no random access; to convert it, {mend}'
    )
  info = _builder(newest).info
  if split not in info.splits:
    raise spec.UsageError(f'The data set {newest} has no split {split}: {mend}')
  expected = {path.name for path in info.splits[split].filepaths}
  absent = expected - {path.name for path in newest.iterdir()}
  if absent:
    raise spec.UsageError(
      f'The data set {newest} lacks {len(absent)} of its files, such as '
      f'{min(absent)}: delete it and {mend}'
    )
  return str(newest)


def _builder(directory: str | pathlib.Path) -> tfds.core.DatasetBuilder:
  """A reader of the files in the format with random access."""
  builder = tfds.builder_from_directory(str(directory))
  if builder.info.file_format.value != formats.RANDOM_ACCESS:
    builder.info.set_file_format(
      formats.RANDOM_ACCESS, override=True, override_if_initialized=True
    )
  return builder


class _Stored:
  """A split in a directory, opened when first read in each process."""

  def __init__(
    self, directory: str, split: str, skip: Sequence[str], limit: int | None
  ):
    self._arguments = (directory, split, skip, limit)
    size = _builder(directory).info.splits[split].num_examples
    self._length = size if limit is None else min(size, limit)

  def __reduce__(self) -> tuple[Any, ...]:
    return _Stored, self._arguments

  def __len__(self) -> int:
    return self._length

  def __getitem__(self, index: int) -> Example:
    return self._opened[index]

  def __iter__(self) -> Iterator[Example]:
    for start in range(0, self._length, _AT_ONCE):
      stop = min(start + _AT_ONCE, self._length)
      yield from self._opened.__getitems__(range(start, stop))

  @functools.cached_property
  def _opened(self) -> Sequence[Example]:
    directory, split, skip, _ = self._arguments
    return _builder(directory).as_data_source(
      split, decoders={name: tfds.decode.SkipDecoding() for name in skip}
    )
