"""ImageNet from archives in the form in which it is published."""

import dataclasses
import hashlib
import io
import tarfile

import pytest
import tensorflow_datasets as tfds

from algoperf import spec
from tests.workloads import tiny_data
from workloads.data import splits
from workloads.imagenet_resnet import archives, configs, workload

CLASSES = ('n01440764', 'n01443537', 'n15075141')  # Labels 0, 1 and 999.
TINY = dataclasses.replace(
  configs.IMAGENET,
  name='tiny_imagenet',
  num_train_examples=6,
  num_validation_examples=4,
  num_test_examples=2,
)
IMAGES = [
  tiny_data.encoded(tiny_data.photo(seed, 20, 30), kind, mode)
  for seed, (kind, mode) in enumerate(
    [('JPEG', 'RGB'), ('JPEG', 'CMYK'), ('PNG', 'RGB')] + [('JPEG', 'RGB')] * 3
  )
]


def add(archive, name, data):
  member = tarfile.TarInfo(name)
  member.size = len(data)
  archive.addfile(member, io.BytesIO(data))


def inner(label):
  """The archive of one class: two images."""
  file = io.BytesIO()
  with tarfile.open(fileobj=file, mode='w') as archive:
    for number in range(2):
      image = IMAGES[2 * CLASSES.index(label) + number]
      add(archive, f'{label}_{number}.JPEG', image)
  return file.getvalue()


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
  manual = tmp_path / 'downloads' / 'manual'
  manual.mkdir(parents=True)
  with tarfile.open(manual / archives.TRAIN, 'w') as archive:
    for label in CLASSES:
      add(archive, f'{label}.tar', inner(label))
  with tarfile.open(manual / archives.VALIDATION, 'w') as archive:
    for number in (3, 1, 2, 4):
      add(archive, f'ILSVRC2012_val_{number:08}.JPEG', IMAGES[0])
  with tarfile.open(manual / archives.TEST, 'w:gz') as archive:
    for label in (999, 12):
      name = f'imagenetv2-matched-frequency-format-val/{label}/0ab.jpeg'
      add(archive, name, IMAGES[3])
  for name in archives.CHECKSUMS:
    digest = hashlib.sha256((manual / name).read_bytes()).hexdigest()
    monkeypatch.setitem(archives.CHECKSUMS, name, f'sha256:{digest}')
  return tmp_path


def read(data_dir, name, split):
  source = splits.open_split(str(data_dir), name, split, skip=('image',))
  examples = (source[index] for index in range(len(source)))
  return {e['file_name'].decode(): (e['label'], e['image']) for e in examples}


def test_data_sets_from_archives(data_dir):
  work = workload.ResNetWorkload(TINY)
  assert not work.data_is_ready(str(data_dir))
  work.prepare_data(str(data_dir))
  assert work.data_is_ready(str(data_dir))
  assert read(data_dir, 'imagenet2012', 'train') == {
    f'{label}_{number}.JPEG': (n, IMAGES[2 * place + number])
    for place, (label, n) in enumerate(zip(CLASSES, (0, 1, 999), strict=True))
    for number in range(2)
  }
  validation = read(data_dir, 'imagenet2012', 'validation')
  # The first four of the published ground truth, in terms of sorted classes.
  assert {name[-6]: label for name, (label, _) in validation.items()} == {
    '1': 65,
    '2': 970,
    '3': 230,
    '4': 809,
  }
  test = read(data_dir, 'imagenet_v2/matched-frequency', 'test')
  assert test == {f'{n}/0ab.jpeg': (n, IMAGES[3]) for n in (12, 999)}
  for split in spec.SPLITS:
    batch = next(work.build_input_queue([1, 2], split, str(data_dir), 2))
    assert batch['inputs'].shape == (2, 224, 224, 3)


def refusal(data_dir, config=TINY):
  with pytest.raises(spec.UsageError) as caught:
    workload.ResNetWorkload(config).prepare_data(str(data_dir))
  assert '\n' not in str(caught.value)
  assert not workload.ResNetWorkload(config).data_is_ready(str(data_dir))
  return str(caught.value)


def test_missing_archives_are_named(data_dir):
  manual = data_dir / 'downloads' / 'manual'
  (manual / archives.VALIDATION).unlink()
  message = refusal(data_dir)
  assert archives.VALIDATION in message and str(manual) in message
  assert archives.TRAIN not in message
  assert 'algoperf data prepare tiny_imagenet --data_dir=' in message


def test_archives_that_lack_images(data_dir):
  config = dataclasses.replace(TINY, num_train_examples=7)
  assert 'has 6 images, not 7' in refusal(data_dir, config)
  assert not list(data_dir.glob('imagenet2012/*/dataset_info.json'))


@pytest.mark.parametrize('name', archives.CHECKSUMS)
def test_archives_that_are_not_the_published_ones(data_dir, name):
  path = data_dir / 'downloads' / 'manual' / name
  content = bytearray(path.read_bytes())
  content[-1] ^= 1
  path.write_bytes(content)
  assert f'{path} is not the published one, or damaged' in refusal(data_dir)
  assert not (data_dir / 'imagenet2012').exists()


def test_the_check_says_how_far_it_is(data_dir, monkeypatch):
  monkeypatch.setattr(archives, '_BLOCK', 1 << 10)
  monkeypatch.setattr(archives, '_REPORTED', 1 << 13)
  said = []
  workload.ResNetWorkload(TINY).prepare_data(str(data_dir), said.append)
  assert f'{archives.TRAIN}: 40% checked' in said
  assert said[-5:] == [
    f'imagenet2012: writing {data_dir}/imagenet2012/5.1.0',
    'imagenet2012: 1 of 1 files of train written',
    'imagenet2012: 1 of 1 files of validation written',
    f'imagenet_v2: writing {data_dir}/imagenet_v2/matched-frequency/3.0.0',
    'imagenet_v2: 1 of 1 files of test written',
  ]


def test_checksums_of_the_published_archives():
  """That of the third as TFDS has it."""
  known = tfds.core.tfds_path('datasets/imagenet_v2/checksums.tsv').read_text()
  kind, digest = archives.CHECKSUMS[archives.TEST].split(':')
  assert kind == 'sha256' and digest in known
  for name in (archives.TRAIN, archives.VALIDATION):
    kind, digest = archives.CHECKSUMS[name].split(':')
    assert kind == 'md5' and len(digest) == 32


def test_half_of_a_data_set_is_not_enough(data_dir):
  workload.ResNetWorkload(TINY).prepare_data(str(data_dir))
  next((data_dir / 'imagenet2012/5.1.0').glob('*train*')).unlink()
  assert 'lacks 1 of its files' in refusal(data_dir)
