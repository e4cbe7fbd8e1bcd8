import hashlib
import pathlib
import socket

from etils import epath
import promise
import pytest
from tensorflow_datasets.core.download import checksums, downloader

from algoperf import spec
from tests.workloads import tiny_text
from workloads import registry
from workloads.data import hosted
from workloads.language_model import lm1b
from workloads.wmt import corpora


def test_without_network_one_line_says_so(tmp_path, monkeypatch):
  def refuse(address, timeout):
    raise OSError('Network is unreachable')

  monkeypatch.setattr(socket, 'create_connection', refuse)
  for name, part in (('wmt', 'wmt17_translate'), ('lm1b', 'lm1b')):
    work = registry.get(name)
    assert not work.data_is_ready(str(tmp_path))
    with pytest.raises(spec.UsageError, match='Network is unreach') as error:
      work.prepare_data(str(tmp_path))
    assert str(error.value).startswith(f'Cannot prepare {part}, which is made')
    assert '\n' not in str(error.value)


def test_what_comes_is_checked(tmp_path, monkeypatch):
  """By the checksums that TFDS has; here the file is another."""
  url, wanted = next(iter(lm1b.Lm1b(data_dir=tmp_path).url_infos.items()))
  assert len(wanted.checksum) == 64
  monkeypatch.setattr(hosted, '_reach', lambda builder: None)

  def fetch(self, url, path, **kwargs):
    file = pathlib.Path(path) / 'archive.tar.gz'
    file.write_bytes(b'another')
    digest = hashlib.sha256(b'another').hexdigest()
    info = checksums.UrlInfo(size=7, checksum=digest, filename=file.name)
    done = downloader.DownloadResult(path=epath.Path(file), url_info=info)
    return promise.Promise.resolve(done)

  monkeypatch.setattr(downloader._Downloader, 'download', fetch)
  with pytest.raises(spec.UsageError, match='checksum') as error:
    registry.get('lm1b').prepare_data(str(tmp_path))
  assert '\n' not in str(error.value) and url in str(error.value)
  assert not registry.get('lm1b').data_is_ready(str(tmp_path))


def test_what_is_there_is_not_fetched_again(tmp_path, monkeypatch):
  tiny_text.write_wmt(tmp_path, {'train': 3, 'validation': 2, 'test': 2})
  monkeypatch.setattr(socket, 'create_connection', pytest.fail)
  builder = corpora.Wmt17Translate(config='de-en', data_dir=tmp_path)
  hosted.prepare(builder)


def test_tiny_data_sets_have_the_real_schemas(tmp_path):
  real = corpora.Wmt17Translate(config='de-en', data_dir=tmp_path)
  tiny = tiny_text.Wmt17Translate(
    config='de-en', data_dir=tmp_path, sizes={}, most_words=1
  )
  assert tiny.data_path == real.data_path
  assert pathlib.Path(tiny.data_path).parts[-3:-1] == (
    'wmt17_translate',
    'de-en',
  )
  assert tiny.info.features.to_json() == real.info.features.to_json()
  assert len(real.url_infos) > 10
