"""TFRecord files, read without TensorFlow.

A record is its length (eight bytes, little-endian), the checksum of those, its
bytes, and their checksum; https://www.tensorflow.org/tutorials/load_data/
tfrecord, "TFRecords format details".
"""

from collections.abc import Iterator
import os
import pathlib
import struct

from workloads.data import crc32c

_HEAD = struct.Struct('<QI')
_TAIL = struct.Struct('<I')
_BUFFER = 1 << 20


def records(path: str | os.PathLike[str]) -> Iterator[bytes]:
  """The records of a file, one after the other.

  Raises:
    ValueError: a checksum is wrong, or the file ends within a record.
  """
  size = pathlib.Path(path).stat().st_size
  with open(path, 'rb', buffering=_BUFFER) as file:
    while (start := file.tell()) < size:
      head = file.read(_HEAD.size)
      if len(head) == _HEAD.size:
        length, checksum = _HEAD.unpack(head)
        if checksum == crc32c.masked(head[:8]) and length < size:
          record, tail = file.read(length), file.read(_TAIL.size)
          if tail == _TAIL.pack(crc32c.masked(record)):
            yield record
            continue
      raise ValueError(f'{path} is damaged from byte {start} on')
