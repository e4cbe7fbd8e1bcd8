"""Splits of data sets, written to disk without TensorFlow, and resumable.

TFDS's own writer needs TensorFlow for a split of more than a gigabyte, and
starts again when it is interrupted. This one puts the same records in the same
order: by the MD5 of an example's key, salted with the name of the split, unless
the data set is not to be shuffled. It sorts in two passes. First examples are
gathered, as they come, in buckets, files of hashes near to each other; then
each bucket is sorted in memory and written. A journal says how many examples
are in the buckets; what follows it is cut off when the pass is gone on with.
"""

from collections.abc import Iterable, Iterator, Sequence
import itertools
import json
import os
import pathlib
import shutil
import struct
from typing import Any

from array_record.python import array_record_module
import tensorflow_datasets as tfds
from tensorflow_datasets.core import hashing

from algoperf import spec
from workloads.data import formats

_MEMORY = 1 << 29  # Bytes to be gathered before they are written.
_OBJECT = 200  # Bytes of memory that an example takes besides.
_BUCKETS = 256
_SHARD = 1 << 27  # Bytes of a file at least, if there are several.
_HASH_BITS = 128
_HEAD = struct.Struct('<16sQ')  # Hash, most significant byte first, and length.


class Writer:
  """Writes the splits of one data set into a directory."""

  def __init__(
    self,
    info: tfds.core.DatasetInfo,
    directory: pathlib.Path,
    report: spec.Report,
  ):
    self._info = info
    self._directory = directory
    self._report = report

  def write(
    self, split: str, examples: Iterable[tuple[Any, Any]]
  ) -> tfds.core.SplitInfo:
    """Writes a split, as far as it is not written.

    Args:
      split: its name.
      examples: each with its key; the same in the same order every time.

    Raises:
      UsageError: there are no examples, or two have the same key.
    """
    buckets = _Buckets(
      self._directory / f'buckets.{split}', ordered=self._info.disable_shuffling
    )
    self._gather(split, examples, buckets)
    template = tfds.core.ShardedFileTemplate(
      data_dir=self._directory,
      dataset_name=self._info.name,
      split=split,
      filetype_suffix=formats.RANDOM_ACCESS,
    )
    shards = buckets.shards()
    for index, shard in enumerate(shards):
      path = pathlib.Path(
        template.sharded_filepath(shard_index=index, num_shards=len(shards))
      )
      if not path.exists():
        self._write(path, buckets.in_order(shard))
      buckets.remove(shard)
      self._say(f'{index + 1} of {len(shards)} files of {split} written')
    return tfds.core.SplitInfo(
      name=split,
      shard_lengths=[buckets.count(shard) for shard in shards],
      num_bytes=buckets.size(range(len(buckets.counts))),
      filename_template=template,
    )

  def clear(self) -> None:
    """Removes what is no longer needed once all is written."""
    for folder in self._directory.glob('buckets.*'):
      shutil.rmtree(folder)

  def _gather(
    self, split: str, examples: Iterable[tuple[Any, Any]], buckets: '_Buckets'
  ) -> None:
    if buckets.complete:
      return
    if done := buckets.count(range(len(buckets.counts))):
      self._say(f'going on after {done} examples of {split}')
    hasher = hashing.Hasher(split)
    for key, example in itertools.islice(examples, done, None):
      place = key if self._info.disable_shuffling else hasher.hash_key(key)
      buckets.add(place, self._info.features.serialize_example(example))
      done += 1
      if buckets.full:
        buckets.flush()
        self._say(f'{done} examples of {split} read')
    if not done:
      raise spec.UsageError(
        f'The sources of {self._info.name} have no examples of {split}.'
      )
    buckets.flush(complete=True)

  def _write(self, path: pathlib.Path, records: Iterator[bytes]) -> None:
    partial = path.with_name(f'{path.name}.partial')
    # As TFDS writes them: a record is found without reading its neighbours.
    writer = array_record_module.ArrayRecordWriter(str(partial), 'group_size:1')
    try:
      for record in records:
        writer.write(record)
    finally:
      writer.close()
    with partial.open('rb') as file:
      os.fsync(file.fileno())
    partial.replace(path)

  def _say(self, text: str) -> None:
    self._report(f'{self._info.name}: {text}')


class _Buckets:
  """Records on disk that are sorted as far as that they are in files.

  Attributes:
    counts: how many records each has.
    sizes: how many bytes the records of each have.
    complete: whether there are no more to come.
  """

  def __init__(self, folder: pathlib.Path, ordered: bool):
    """Finds what there is.

    Args:
      folder: for the files.
      ordered: whether records come in the order of their places.
    """
    self._folder = folder
    self._ordered = ordered
    self._journal = folder / 'journal.json'
    self._pending: list[tuple[int, bytes]] = []
    self._memory = 0
    self.counts: list[int] = []
    self.sizes: list[int] = []
    self.complete = False
    folder.mkdir(exist_ok=True)
    if self._journal.exists():
      content = json.loads(self._journal.read_text(encoding='utf-8'))
      self.counts, self.sizes = content['counts'], content['sizes']
      self.complete = content['complete']

  def add(self, place: int, record: bytes) -> None:
    """Takes a record, to be written by the next `flush`."""
    self._pending.append((place, record))
    self._memory += len(record) + _OBJECT

  @property
  def full(self) -> bool:
    """Whether it is time for a `flush`."""
    return self._memory >= _MEMORY

  def flush(self, complete: bool = False) -> None:
    """Writes what was added: it is there after an interruption."""
    for bucket, records in self._parts(complete).items():
      with self._path(bucket).open('ab') as file:
        # What is beyond was written by one who could not say so any more.
        file.truncate(self._file_size(bucket))
        for place, record in records:
          file.write(_HEAD.pack(place.to_bytes(16), len(record)) + record)
        file.flush()
        os.fsync(file.fileno())
      self.counts[bucket] += len(records)
      self.sizes[bucket] += sum(len(record) for _, record in records)
    self._pending, self._memory = [], 0
    self.complete = complete
    content = {
      'counts': self.counts,
      'sizes': self.sizes,
      'complete': complete,
    }
    formats.replace(self._journal, json.dumps(content).encode())

  def shards(self) -> list[range]:
    """Buckets to be in a file together, of which the order is that of files."""
    begins = [0]
    for end in range(1, len(self.counts)):
      rest = range(end, len(self.counts))
      if min(self.size(range(begins[-1], end)), self.size(rest)) >= _SHARD:
        begins.append(end)
    ends = [*begins[1:], len(self.counts)]
    return [range(*ends) for ends in zip(begins, ends, strict=True)]

  def count(self, shard: Sequence[int]) -> int:
    return sum(self.counts[bucket] for bucket in shard)

  def size(self, shard: Sequence[int]) -> int:
    return sum(self.sizes[bucket] for bucket in shard)

  def in_order(self, shard: Sequence[int]) -> Iterator[bytes]:
    """The records of some buckets in their order.

    Raises:
      UsageError: two have the same place.
    """
    for bucket in shard:
      records = sorted(self._read(bucket))
      for (place, record), (following, _) in itertools.pairwise(records):
        if place == following:
          raise spec.UsageError(
            f'Two examples in {self._path(bucket)} have the same key.'
          )
        yield record
      if records:
        yield records[-1][1]

  def remove(self, shard: Sequence[int]) -> None:
    for bucket in shard:
      self._path(bucket).unlink(missing_ok=True)

  def _parts(self, complete: bool) -> dict[int, list[tuple[int, bytes]]]:
    """What is pending, by bucket."""
    if not self._pending:
      return {}
    if self._ordered:
      self._grow(1)
      return {len(self.counts) - 1: self._pending}
    if not self.counts:
      self._grow(1 if complete else _BUCKETS)
    parts: dict[int, list[tuple[int, bytes]]] = {}
    for place, record in self._pending:
      bucket = place * len(self.counts) >> _HASH_BITS
      parts.setdefault(bucket, []).append((place, record))
    return parts

  def _grow(self, number: int) -> None:
    self.counts += [0] * number
    self.sizes += [0] * number

  def _read(self, bucket: int) -> Iterator[tuple[bytes, bytes]]:
    if not self.counts[bucket]:
      return
    with self._path(bucket).open('rb') as file:
      for _ in range(self.counts[bucket]):
        place, length = _HEAD.unpack(file.read(_HEAD.size))
        yield place, file.read(length)

  def _file_size(self, bucket: int) -> int:
    return self.sizes[bucket] + self.counts[bucket] * _HEAD.size

  def _path(self, bucket: int) -> pathlib.Path:
    return self._folder / f'{bucket:05}'
