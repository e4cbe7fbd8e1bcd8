"""Splits on disk: opened, and refused where they cannot be."""

import pickle
import shutil

import pytest

from algoperf import spec
from tests.workloads import tiny_data
from workloads.data import splits


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  path = tmp_path_factory.mktemp('data')
  tiny_data.write_imagenet(path)
  return path


def test_source_is_what_was_written(data_dir):
  found = splits.open_split(
    str(data_dir), 'imagenet2012', 'validation', skip=('image',)
  )
  copy = pickle.loads(pickle.dumps(found))
  assert len(found) == len(copy) == 11
  examples = [copy[index] for index in range(11)]
  names = [f'validation_{index:08}.JPEG' for index in range(11)]
  assert sorted(e['file_name'].decode() for e in examples) == names
  for example in examples:
    index = int(example['file_name'][-13:-5])
    assert example['label'] == index * 37
    assert example['image'].startswith(b'\xff\xd8')


def test_source_with_a_limit(data_dir):
  whole = splits.open_split(str(data_dir), 'imagenet2012', 'train')
  for limit, size in ((5, 5), (500, 23)):
    found = splits.open_split(
      str(data_dir), 'imagenet2012', 'train', limit=limit
    )
    assert len(pickle.loads(pickle.dumps(found))) == size
    assert found[4]['file_name'] == whole[4]['file_name']


def refusal(data_dir, name='imagenet2012', split='train'):
  with pytest.raises(spec.UsageError) as caught:
    splits.open_split(str(data_dir), name, split, workload='some_workload')
  message = str(caught.value)
  assert '\n' not in message
  assert f'algoperf data prepare some_workload --data_dir={data_dir}' in message
  assert not splits.is_prepared(str(data_dir), name, split)
  return message


def test_data_that_is_not_there(tmp_path):
  assert 'imagenet2012' in refusal(tmp_path) and 'missing' in refusal(tmp_path)
  (tmp_path / 'imagenet2012/5.1.0.incompleteAB12').mkdir(parents=True)
  assert 'not finished' in refusal(tmp_path)


def test_data_that_lacks_files_or_a_split(data_dir, tmp_path):
  shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
  assert splits.is_prepared(str(tmp_path), 'imagenet2012', 'train')
  assert 'no split other' in refusal(tmp_path, split='other')
  shard = 'imagenet2012-train.array_record-00000-of-00001'
  (tmp_path / 'imagenet2012/5.1.0' / shard).unlink()
  assert shard in refusal(tmp_path)


def test_data_in_another_format(data_dir, tmp_path):
  shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
  version = tmp_path / 'imagenet2012/5.1.0'
  for path in version.iterdir():
    path.rename(path.with_name(path.name.replace('array_record', 'tfrecord')))
  info = version / 'dataset_info.json'
  info.write_text(info.read_text().replace('array_record', 'tfrecord'))
  assert 'tfrecord' in refusal(tmp_path)


def test_the_newest_version_is_read(data_dir, tmp_path):
  shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
  other = tmp_path / 'older'
  tiny_data.write_imagenet(other, {'train': 2, 'validation': 1, 'test': 1})
  shutil.copytree(other / 'imagenet2012/5.1.0', tmp_path / 'imagenet2012/5.0.9')
  found = splits.open_split(str(tmp_path), 'imagenet2012', 'train')
  assert len(found) == 23
