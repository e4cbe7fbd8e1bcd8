import hashlib
import io
import itertools
import pathlib
import socket
import tarfile

from etils import epath
import promise
import pytest
from tensorflow_datasets.core.download import checksums, downloader
from tensorflow_datasets.translate import wmt

from algoperf import spec
from tests.workloads import tiny_text
from workloads import registry
from workloads.data import hosted, splits, writer
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
    assert not (tmp_path / part).exists()


@pytest.fixture
def served(monkeypatch):
  """What there is behind URLs; asked for anything else, fails."""
  served = {}

  def fetch(self, url, path, **kwargs):
    file = pathlib.Path(path) / url.rpartition('/')[2]
    file.write_bytes(served[url])
    info = checksums.UrlInfo(
      size=len(served[url]),
      checksum=hashlib.sha256(served[url]).hexdigest(),
      filename=file.name,
    )
    done = downloader.DownloadResult(path=epath.Path(file), url_info=info)
    return promise.Promise.resolve(done)

  monkeypatch.setattr(downloader._Downloader, 'download', fetch)
  monkeypatch.setattr(
    socket, 'create_connection', lambda *_: socket.socketpair()[0]
  )
  return served


def archive(files):
  """A compressed tar file of texts."""
  packed = io.BytesIO()
  with tarfile.open(fileobj=packed, mode='w:gz') as archive:
    for name, text in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(text.encode())
      archive.addfile(member, io.BytesIO(text.encode()))
  return packed.getvalue()


def trust(monkeypatch, builder, served):
  """Has the builder take for right what is served."""
  known = {
    url: checksums.UrlInfo(
      size=len(content),
      checksum=hashlib.sha256(content).hexdigest(),
      filename=url.rpartition('/')[2],
    )
    for url, content in served.items()
  }
  monkeypatch.setattr(builder, 'url_infos', known)


def test_what_comes_is_checked(tmp_path, served):
  """By the checksums that TFDS has; here the file is another."""
  url, wanted = next(iter(lm1b.Lm1b(data_dir=tmp_path).url_infos.items()))
  assert len(wanted.checksum) == 64
  served[url] = b'another'
  with pytest.raises(spec.UsageError, match='checksum') as error:
    registry.get('lm1b').prepare_data(str(tmp_path))
  assert '\n' not in str(error.value) and url in str(error.value)
  assert not registry.get('lm1b').data_is_ready(str(tmp_path))


@pytest.fixture
def little_memory(monkeypatch):
  monkeypatch.setattr(writer, '_MEMORY', 20_000)


def sentences(split, language, count):
  return [tiny_text.sentence(len(split) + i, language) for i in range(count)]


def texts(data_dir, name, split, feature):
  source = splits.open_split(str(data_dir), name, split)
  return sorted(example[feature].decode() for example in source)


def test_lm1b_from_its_archive(tmp_path, served, monkeypatch, little_memory):
  lines = {split: sentences(split, 'en', 300) for split in ('train', 'test')}
  root = '1-billion-word-language-modeling-benchmark-r13output'
  (url,) = lm1b.Lm1b(data_dir=tmp_path).url_infos
  served[url] = archive(
    {
      f'{root}/README': 'no text',
      **{
        f'{root}/{pattern.replace("*", f"0000{part}-of-00002")}': '\n'.join(
          lines[split][part::2]
        )
        for split, pattern in lm1b._FILES.items()
        for part in range(2)
      },
    }
  )
  trust(monkeypatch, lm1b.Lm1b, served)
  hosted.prepare(lm1b.Lm1b(data_dir=tmp_path))
  for split, wanted in lines.items():
    assert texts(tmp_path, 'lm1b', split, 'text') == sorted(wanted)


def test_wmt_from_its_archives(tmp_path, served, monkeypatch, little_memory):
  """Of both years; what was fetched for one is not fetched for the other."""
  pairs = {}
  for builder in (corpora.Wmt17Translate, corpora.Wmt14Translate):
    subsets = builder(config='de-en', data_dir=tmp_path).subsets
    for name in itertools.chain.from_iterable(subsets.values()):
      subset = wmt.DATASET_MAP[name]
      (url,) = subset.get_url('de')
      paths = zip(subset.get_path('de'), ('de', 'en'), strict=True)
      for path, language in paths:
        lines = sentences(name, language, 150)
        pairs[name, language] = lines
        served.setdefault(url, {})[path] = lines
  for url, files in served.items():
    served[url] = archive({p: as_file(p, lines) for p, lines in files.items()})
  for builder in (corpora.Wmt17Translate, corpora.Wmt14Translate):
    trust(monkeypatch, builder, served)
  for builder in (corpora.Wmt17Translate, corpora.Wmt14Translate):
    made = builder(config='de-en', data_dir=tmp_path)
    hosted.prepare(made)
    for split, names in made.subsets.items():
      for language in ('de', 'en'):
        wanted = [line for name in names for line in pairs[name, language]]
        name = f'{made.name}/de-en'
        assert texts(tmp_path, name, split, language) == sorted(wanted)
      for name in names:
        served.pop(wmt.DATASET_MAP[name].get_url('de')[0], None)
  assert not served


def as_file(path, lines):
  if not path.endswith('.sgm'):
    return '\n'.join(lines) + '\n'
  segments = (
    f'<seg id="{number}">{line}</seg>'
    for number, line in enumerate(lines, start=1)
  )
  return '\n'.join(['<srcset setid="tiny">', *segments, '</srcset>\n'])


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
