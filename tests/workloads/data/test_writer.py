"""Splits on disk: TFDS's order, whatever the size, and gone on with."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import formats, splits, store, writer

COUNT = 500


class Stopped(BaseException):
  """As a signal would."""


class Records(store.Builder, skip_registration=True):
  """Records of random sizes, of which it counts those that it was asked for."""

  VERSION = tfds.core.Version('1.0.0')

  def __init__(self, *, stop_at=None, count=COUNT, ordered=False, **arguments):
    self.stop_at = stop_at
    self.count = count
    self.ordered = ordered
    super().__init__(**arguments)

  def _info(self):
    features = tfds.features.FeaturesDict(
      {'number': np.int64, 'text': tfds.features.Text()}
    )
    return tfds.core.DatasetInfo(
      builder=self, features=features, disable_shuffling=self.ordered
    )

  def _split_generators(self, dl_manager):
    return {
      'train': self._generate_examples(self.count),
      'test': self._generate_examples(self.count // 5),
    }

  def _generate_examples(self, count):
    rng = np.random.default_rng(count)
    for number in range(count):
      if number == self.stop_at:
        raise Stopped
      text = 'x' * int(rng.integers(200))
      yield number, {'number': number, 'text': text}


@pytest.fixture(params=[False, True], ids=['shuffled', 'ordered'])
def ordered(request):
  return request.param


@pytest.fixture
def little_memory(monkeypatch):
  """So that examples go through many buckets into several files."""
  monkeypatch.setattr(writer, '_MEMORY', 20_000)
  monkeypatch.setattr(writer, '_BUCKETS', 8)
  monkeypatch.setattr(writer, '_SHARD', 10_000)


def numbers(data_dir, split='train'):
  source = splits.open_split(str(data_dir), 'records', split)
  return [int(example['number']) for example in source]


def files(data_dir):
  return {
    path.name: path.read_bytes()
    for path in pathlib.Path(data_dir, 'records/1.0.0').iterdir()
  }


def test_the_order_is_that_of_tfds(tmp_path, ordered, little_memory):
  theirs = Records(data_dir=tmp_path / 'theirs', ordered=ordered)
  theirs.download_and_prepare(file_format=formats.RANDOM_ACCESS)
  store.prepare(Records(data_dir=tmp_path / 'ours', ordered=ordered))
  for split in ('train', 'test'):
    ours = numbers(tmp_path / 'ours', split)
    assert ours == numbers(tmp_path / 'theirs', split)
    assert (ours == sorted(ours)) == ordered
  directory = tmp_path / 'ours/records/1.0.0'
  assert len(list(directory.glob('records-train.array_record-*'))) > 2
  assert {path.suffix for path in directory.iterdir()} - {'.json'} == {
    path.suffix for path in directory.glob('*.array_record*')
  }


def test_read_by_tfds(tmp_path, little_memory):
  builder = Records(data_dir=tmp_path)
  store.prepare(builder)
  again = tfds.builder_from_directory(str(builder.data_path))
  assert again.info.splits['train'].num_examples == COUNT
  assert again.info.splits['test'].num_examples == COUNT // 5
  texts = [example['text'] for example in again.as_data_source('train')]
  assert sum(map(len, texts)) < again.info.splits['train'].num_bytes
  again.info.splits['train[10:20]']  # Lengths of files are known.


def test_goes_on_where_it_was_interrupted(tmp_path, ordered, little_memory):
  store.prepare(Records(data_dir=tmp_path / 'whole', ordered=ordered))
  data_dir = tmp_path / 'interrupted'
  for stop_at in (0, 120, 250, 400):
    with pytest.raises(Stopped):
      store.prepare(
        Records(data_dir=data_dir, ordered=ordered, stop_at=stop_at)
      )
    with pytest.raises(spec.UsageError, match='is not finished: run'):
      numbers(data_dir)
  said = []
  store.prepare(Records(data_dir=data_dir, ordered=ordered), said.append)
  (line,) = (line for line in said if 'going on after' in line)
  assert 300 < int(line.split()[4]) < 400
  assert files(data_dir) == files(tmp_path / 'whole')


def test_half_a_flush_is_cut_off(tmp_path, ordered, little_memory, monkeypatch):
  store.prepare(Records(data_dir=tmp_path / 'whole', ordered=ordered))
  builder = Records(data_dir=tmp_path / 'cut', ordered=ordered)
  replaced = []

  def stop(path, content, replace=formats.replace):
    replaced.append(path)
    if len(replaced) == 3:  # The records are written, the journal is not.
      raise Stopped
    replace(path, content)

  with monkeypatch.context() as patch:
    patch.setattr(formats, 'replace', stop)
    with pytest.raises(Stopped):
      store.prepare(builder)
  store.prepare(builder)
  assert files(tmp_path / 'cut') == files(tmp_path / 'whole')


def test_stopped_between_two_files(
  tmp_path, ordered, little_memory, monkeypatch
):
  store.prepare(Records(data_dir=tmp_path / 'whole', ordered=ordered))
  said = []

  def stop(line):
    said.append(line)
    if line.endswith('files of train written') and ': 2 of' in line:
      raise Stopped

  builder = Records(data_dir=tmp_path / 'stopped', ordered=ordered)
  with pytest.raises(Stopped):
    store.prepare(builder, stop)
  # Nothing is read again: there it would stop.
  monkeypatch.setattr(builder, 'stop_at', COUNT // 5 + 1)
  store.prepare(builder)
  assert files(tmp_path / 'stopped') == files(tmp_path / 'whole')


def test_small_data_sets_are_one_file(tmp_path):
  store.prepare(Records(data_dir=tmp_path))
  names = [name for name in files(tmp_path) if 'array_record' in name]
  assert sorted(names) == [
    'records-test.array_record-00000-of-00001',
    'records-train.array_record-00000-of-00001',
  ]


@pytest.mark.parametrize('memory', [1_000, 1 << 29])
def test_keys_that_are_there_twice(tmp_path, monkeypatch, memory):
  monkeypatch.setattr(writer, '_MEMORY', memory)
  monkeypatch.setattr(
    Records,
    '_generate_examples',
    lambda self, count: (
      (i % 40, {'number': i, 'text': ''}) for i in range(41)
    ),
  )
  with pytest.raises(spec.UsageError, match='have the same key'):
    store.prepare(Records(data_dir=tmp_path))
  assert not list((tmp_path / 'records').iterdir())


def test_no_examples(tmp_path):
  with pytest.raises(spec.UsageError, match='have no examples of test'):
    store.prepare(Records(data_dir=tmp_path, count=4))
  assert not list((tmp_path / 'records').iterdir())
