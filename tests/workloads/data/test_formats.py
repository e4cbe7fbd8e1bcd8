"""A copy in TFRecord files becomes one that can be read at random."""

import json
import pathlib
import struct

from array_record.python import array_record_module
import pytest

from algoperf import spec
from tests.workloads import tiny_data
from workloads.data import crc32c, formats, splits, tfrecord
from workloads.imagenet_resnet import archives

SIZES = {'train': 5, 'validation': 3, 'test': 2}


def framed(record):
  head = struct.pack('<Q', len(record))
  parts = head, crc32c.masked(head), record, crc32c.masked(record)
  return struct.pack(f'<8sI{len(record)}sI', *parts)


def as_tfrecord(version: pathlib.Path) -> None:
  """Turns a data set into what TFDS writes by default."""
  for path in version.glob('*.array_record-*'):
    reader = array_record_module.ArrayRecordReader(str(path))
    content = b''.join(map(framed, reader.read_all()))
    reader.close()
    name = path.name.replace('array_record', 'tfrecord')
    path.with_name(name).write_bytes(content)
    path.unlink()
  info = version / 'dataset_info.json'
  info.write_text(info.read_text().replace('array_record', 'tfrecord'))


@pytest.fixture
def data_dir(tmp_path):
  tiny_data.write_imagenet(tmp_path, SIZES)
  return tmp_path


def everything(data_dir, split='train'):
  stored = splits.open_split(
    str(data_dir), 'imagenet2012', split, skip=('image',)
  )
  return [(e['file_name'], e['label'], e['image']) for e in stored]


def test_converted_data_sets_hold_the_same(data_dir, capsys):
  before = {
    split: everything(data_dir, split) for split in ('train', 'validation')
  }
  version = data_dir / 'imagenet2012/5.1.0'
  as_tfrecord(version)
  as_tfrecord(data_dir / 'imagenet_v2/matched-frequency/3.0.0')
  with pytest.raises(spec.UsageError, match='the format tfrecord'):
    everything(data_dir)
  archives.prepare(str(data_dir), SIZES, 'imagenet_resnet', print)
  after = {split: everything(data_dir, split) for split in before}
  assert after == before
  said = capsys.readouterr().out
  assert 'converting the TFRecord files' in said
  assert 'imagenet2012: 2 of 2 files converted' in said
  # The copy can still be used by whoever made it.
  info = json.loads((version / 'dataset_info.json').read_text())
  assert info['fileFormat'] == 'tfrecord'
  assert len(list(version.glob('*.tfrecord-*'))) == 2
  assert formats.of(version) == {'tfrecord', 'array_record'}


def test_conversion_goes_on_where_it_was_interrupted(data_dir):
  before = everything(data_dir)
  version = data_dir / 'imagenet2012/5.1.0'
  (train,) = version.glob('*-train.array_record-*')
  kept = train.read_bytes()
  as_tfrecord(version)
  train.write_bytes(kept)  # Done before.
  (version / f'{train.name}.partial').write_bytes(b'half')
  then = train.stat().st_mtime_ns
  formats.add_random_access(version, spec.silent)
  assert train.stat().st_mtime_ns == then
  assert everything(data_dir) == before
  assert len(everything(data_dir, 'validation')) == 3


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (
      lambda path: path.write_bytes(path.read_bytes()[:-1]),
      'damaged from byte',
    ),
    (
      lambda path: path.write_bytes(
        path.read_bytes().replace(b'train_00000003', b'train_00000009')
      ),
      'damaged from byte',
    ),
    (lambda path: path.write_bytes(framed(b'x') * 4), 'has 4 records, not 5'),
    (pathlib.Path.unlink, 'lacks 1 of its files'),
  ],
)
def test_damaged_files_are_named(data_dir, damage, message):
  version = data_dir / 'imagenet2012/5.1.0'
  as_tfrecord(version)
  (train,) = version.glob('*-train.tfrecord-*')
  damage(train)
  with pytest.raises(spec.UsageError, match=message) as caught:
    formats.add_random_access(version, spec.silent)
  assert train.name in str(caught.value)
  assert '\n' not in str(caught.value)
  assert formats.of(version) == {'tfrecord'}


def test_records_come_as_written(tmp_path):
  records = [b'', b'a', bytes(range(256)) * 40]
  path = tmp_path / 'file'
  path.write_bytes(b''.join(map(framed, records)))
  assert list(tfrecord.records(path)) == records
