"""File formats of data sets on disk, and how to add the one that we read.

TFDS's records are the same bytes in each format. A copy in TFRecord files, such
as TFDS makes by default, is turned into array_record shard by shard; the new
files lie beside the old, and the data set's description names both, as TFDS's
own tool for it (`tfds convert_format`, which needs TensorFlow) would have it.
"""

from collections.abc import Callable
from concurrent import futures
import json
import multiprocessing
import os
import pathlib

from array_record.python import array_record_module
import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import tfrecord

RANDOM_ACCESS = 'array_record'
SEQUENTIAL = 'tfrecord'
_INFO = 'dataset_info.json'


def of(directory: pathlib.Path) -> set[str]:
  """The formats that a version of a data set has; empty if it is not there."""
  try:
    info = json.loads((directory / _INFO).read_text(encoding='utf-8'))
  except (OSError, ValueError):
    return set()
  first = info.get('fileFormat', SEQUENTIAL)
  return {first, *info.get('alternativeFileFormats', ())}


def unfinished(directory: pathlib.Path) -> list[pathlib.Path]:
  """What interrupted preparations of a version have left behind.

  Args:
    directory: where the version would be; any version for '…/imagenet2012/*'.
  """
  # As TFDS names what it is writing, and as it once did.
  patterns = (f'incomplete.*_{directory.name}', f'{directory.name}.incomplete*')
  return [p for pattern in patterns for p in directory.parent.glob(pattern)]


def partial(directory: pathlib.Path) -> pathlib.Path:
  """Where a version is written, to be gone on with after an interruption."""
  return directory.with_name(f'incomplete.resumable_{directory.name}')


def add_random_access(
  directory: pathlib.Path, report: Callable[[str], None]
) -> None:
  """Converts a data set in TFRecord files; goes on where it was interrupted.

  Takes as much disk again. Checksums and numbers of records are checked.

  Args:
    directory: that of a version, such as '…/imagenet2012/5.1.0'.
    report: is told how far it has come.

  Raises:
    UsageError: a file is missing or damaged; it is named.
  """
  info = tfds.builder_from_directory(str(directory)).info
  shards = [
    (pathlib.Path(path), length)
    for split in info.splits.values()
    for path, length in zip(split.filepaths, split.shard_lengths, strict=True)
  ]
  absent = [path for path, _ in shards if not path.exists()]
  if absent:
    raise spec.UsageError(
      f'The data set {directory} lacks {len(absent)} of its files, such as '
      f'{absent[0].name}: copy it again, or delete it to have it made anew.'
    )
  # Fresh processes: the threads of this one's libraries do not survive a fork.
  context = multiprocessing.get_context('spawn')
  with futures.ProcessPoolExecutor(os.cpu_count(), context) as pool:
    done = [pool.submit(_convert, *shard) for shard in shards]
    for number, future in enumerate(futures.as_completed(done), start=1):
      try:
        future.result()
      except ValueError as error:
        pool.shutdown(cancel_futures=True)
        raise spec.UsageError(
          f'{error}: copy the file again, or delete {directory} to have it '
          'made anew.'
        ) from error
      report(f'{info.name}: {number} of {len(shards)} files converted')
  path = directory / _INFO
  content = json.loads(path.read_text(encoding='utf-8'))
  content.setdefault('alternativeFileFormats', []).append(RANDOM_ACCESS)
  replace(path, json.dumps(content, indent=2).encode())


def replace(path: pathlib.Path, content: bytes) -> None:
  """Writes a file that is whole at any moment."""
  partial = path.with_name(f'{path.name}.partial')
  partial.write_bytes(content)
  partial.replace(path)


def _convert(path: pathlib.Path, length: int) -> None:
  """One shard, unless it is done.

  Raises:
    ValueError: it is not as it should be.
  """
  name = path.name.replace(f'.{SEQUENTIAL}-', f'.{RANDOM_ACCESS}-')
  target = path.with_name(name)
  if target.exists():
    return
  partial = path.with_name(f'{name}.partial')
  # As TFDS writes them: a record is found without reading its neighbours.
  writer = array_record_module.ArrayRecordWriter(str(partial), 'group_size:1')
  count = 0
  try:
    for record in tfrecord.records(path):
      writer.write(record)
      count += 1
  finally:
    writer.close()
  if count != length:
    raise ValueError(f'{path} has {count} records, not {length}')
  partial.replace(target)
