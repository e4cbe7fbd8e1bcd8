"""Data sets on disk: written once, whole, and read back as they were."""

import multiprocessing
import os
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import file_utils

from algoperf import spec
from workloads.data import splits, store

WORDS = ['schön', '', 'tree']


class Words(store.Builder):
  """Three examples of every kind of feature that families use."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    features = {
      'text': tfds.features.Text(),
      'pixels': tfds.features.Tensor(shape=(2, 2), dtype=np.uint8),
      'label': np.int64,
      'tokens': tfds.features.Tensor(shape=(None,), dtype=np.uint16),
    }
    return tfds.core.DatasetInfo(
      builder=self, features=tfds.features.FeaturesDict(features)
    )

  def _split_generators(self, dl_manager):
    return {'train': self._generate_examples()}

  def _generate_examples(self):
    for i, word in enumerate(WORDS):
      yield (
        i,
        {
          'text': word,
          'pixels': np.full((2, 2), i + 250, np.uint8),
          'label': -i,
          'tokens': np.arange(i, dtype=np.uint16),
        },
      )


def write(data_dir):
  store.prepare(Words(data_dir=data_dir))


def test_round_trip(tmp_path, capfd):
  builder = Words(data_dir=tmp_path)
  store.prepare(builder)
  found = store.read(builder, 'train')
  order = np.argsort(-found['label'])
  assert [found['text'][i].decode() for i in order] == WORDS
  assert found['pixels'].dtype == np.uint8
  np.testing.assert_array_equal(
    found['pixels'][order][:, 0, 0], [250, 251, 252]
  )
  assert [found['tokens'][i].tolist() for i in order] == [[], [0], [0, 1]]
  assert capfd.readouterr() == ('', '')


def test_the_format_is_array_record(tmp_path):
  write(tmp_path)
  assert list(tmp_path.glob('words/1.0.0/*.array_record*'))


def test_what_is_there_is_not_written_again(tmp_path):
  write(tmp_path)
  before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
  write(tmp_path)
  assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}


def test_what_is_no_data_set_is_left_alone(tmp_path):
  directory = pathlib.Path(Words(data_dir=tmp_path).data_path)
  directory.mkdir(parents=True)
  (directory / 'somebody.txt').write_text('mine')
  with pytest.raises(spec.UsageError, match='delete it, or choose'):
    store.prepare(Words(data_dir=tmp_path))
  assert (directory / 'somebody.txt').exists()


def test_what_a_killed_process_left_is_removed(tmp_path):
  builder = Words(data_dir=tmp_path)
  left = file_utils._get_incomplete_dir(builder.data_path)
  os.makedirs(f'{left}/shards')
  with pytest.raises(spec.UsageError, match='is not finished: run'):
    splits.open_split(str(tmp_path), 'words', 'train')
  store.prepare(builder)
  assert [path.name for path in (tmp_path / 'words').iterdir()] == ['1.0.0']


def test_processes_that_prepare_at_once_agree(tmp_path):
  with multiprocessing.get_context('spawn').Pool(2) as pool:
    pool.map(write, [tmp_path] * 2)
  found = store.read(Words(data_dir=tmp_path), 'train')
  assert len(found['label']) == len(WORDS)
