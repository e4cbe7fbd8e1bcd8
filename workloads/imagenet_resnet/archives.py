"""ImageNet's data sets on disk, from the archives that it is published in.

They have the names, versions, schemas and order of TFDS's, whose own builders
need TensorFlow. Images are stored as they are in the archives; TFDS rewrites 23
of them (22 CMYK, one PNG), which are converted here when they are read.
"""

from collections.abc import Callable, Iterator, Mapping
import hashlib
import io
import pathlib
import tarfile
from typing import Any

import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import formats, store

Examples = Iterator[tuple[str, dict[str, Any]]]

TRAIN = 'ILSVRC2012_img_train.tar'
VALIDATION = 'ILSVRC2012_img_val.tar'
TEST = 'imagenetv2-matched-frequency.tar.gz'
SOURCES = {
  TRAIN: 'image-net.org/download-images',
  VALIDATION: 'image-net.org/download-images',
  TEST: 'huggingface.co/datasets/vaishaal/ImageNetV2',
}

# Published beside the first two; of the third TFDS has it.
CHECKSUMS = {
  TRAIN: 'md5:1d675b47d978889d74fa0da5fadfb00e',
  VALIDATION: 'md5:29b22e2961454d5413ddabcf34fc5622',
  TEST: 'sha256:'
  'f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c',
}
_BLOCK = 1 << 24
_REPORTED = 10**10  # Bytes from one line on how far a check is to the next.


class _FromArchives(store.Builder, skip_registration=True):
  """One archive a split."""

  splits: Mapping[str, tuple[str, Callable[[pathlib.Path], Examples]]]

  def __init__(
    self, *, archive_dir: pathlib.Path, sizes: Mapping[str, int], **options: Any
  ):
    """A builder.

    Args:
      archive_dir: directory that has the archives.
      sizes: how many examples each split must turn out to have.
      **options: of TFDS, such as data_dir.
    """
    self._archive_dir = archive_dir
    self._sizes = sizes
    super().__init__(**options)

  def _info(self) -> tfds.core.DatasetInfo:
    names = tfds.core.tfds_path('datasets/imagenet2012/labels.txt')
    features = tfds.features.FeaturesDict(
      {
        'image': tfds.features.Image(encoding_format='jpeg'),
        'label': tfds.features.ClassLabel(names_file=names),
        'file_name': tfds.features.Text(),
      }
    )
    return tfds.core.DatasetInfo(
      builder=self, features=features, supervised_keys=('image', 'label')
    )

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Examples]:
    del dl_manager
    return {split: self._generate_examples(split) for split in self.splits}

  def _generate_examples(self, split: str) -> Examples:
    archive, read = self.splits[split]
    path = self._archive_dir / archive
    count = 0
    for key, example in read(path):
      count += 1
      yield key, example
    if count != self._sizes[split]:
      raise spec.UsageError(
        f'The archive {path} has {count} images, not {self._sizes[split]}: '
        'get it again.'
      )


def _train(path: pathlib.Path) -> Examples:
  """An archive of archives, one a class."""
  with tarfile.open(path) as archive:
    for member in archive:
      with tarfile.open(fileobj=archive.extractfile(member)) as images:
        for name, image in _files(images):
          label = pathlib.PurePath(member.name).stem
          yield name, {'image': image, 'label': label, 'file_name': name}


def _validation(path: pathlib.Path) -> Examples:
  """Images whose labels TFDS has, in order of their names."""
  stored = tfds.core.tfds_path('datasets/imagenet2012/validation_labels.txt')
  labels = stored.read_text().split()
  with tarfile.open(path) as archive:
    by_name = dict(zip(sorted(archive.getnames()), labels, strict=False))
    for name, image in _files(archive):
      yield name, {'image': image, 'label': by_name[name], 'file_name': name}


def _test(path: pathlib.Path) -> Examples:
  """Directories named by the numbers of classes."""
  with tarfile.open(path) as archive:
    for name, image in _files(archive):
      label, file = pathlib.PurePath(name).parts[-2:]
      example = {'image': image, 'label': int(label)}
      yield f'{label}_{file}', {**example, 'file_name': f'{label}/{file}'}


def _files(archive: tarfile.TarFile) -> Iterator[tuple[str, io.BytesIO]]:
  for member in archive:
    if member.isfile():
      yield member.name, io.BytesIO(archive.extractfile(member).read())


class Imagenet2012(_FromArchives, skip_registration=True):
  """ILSVRC 2012 (Russakovsky et al. 2015, arXiv 1409.0575)."""

  name = 'imagenet2012'
  VERSION = tfds.core.Version('5.1.0')
  splits: Mapping[str, Any] = {
    'train': (TRAIN, _train),
    'validation': (VALIDATION, _validation),
  }


class ImagenetV2(_FromArchives, skip_registration=True):
  """New test images (Recht et al. 2019, arXiv 1902.10811)."""

  name = 'imagenet_v2'
  VERSION = tfds.core.Version('3.0.0')
  BUILDER_CONFIGS = (tfds.core.BuilderConfig(name='matched-frequency'),)
  splits: Mapping[str, Any] = {'test': (TEST, _test)}


def prepare(
  data_dir: str,
  sizes: Mapping[str, int],
  workload: str,
  report: spec.Report = spec.silent,
) -> None:
  """Writes both data sets below data_dir, as far as they are not there.

  Copies in TFRecord files are converted.

  Args:
    data_dir: has the archives in downloads/manual.
    sizes: examples of 'train', 'validation' and 'test'.
    workload: for whose sake, for the error's advice.
    report: is told what is being done.

  Raises:
    UsageError: archives are missing, or not those that were published.
  """
  archive_dir = pathlib.Path(data_dir, 'downloads', 'manual')
  options = {'data_dir': data_dir, 'archive_dir': archive_dir, 'sizes': sizes}
  builders = (
    Imagenet2012(**options),
    ImagenetV2(config='matched-frequency', **options),
  )
  missing = [b for b in builders if not store.is_prepared(b)]
  unmade = [b for b in missing if not formats.of(pathlib.Path(b.data_path))]
  archives = [name for b in unmade for name, _ in b.splits.values()]
  absent = [name for name in archives if not (archive_dir / name).exists()]
  if absent:
    needed = ', '.join(f'{name} ({SOURCES[name]})' for name in absent)
    datasets = ' and '.join(builder.name for builder in unmade)
    raise spec.UsageError(
      f'The data of {workload} ({datasets}) is made from archives that only '
      f'you can get, {needed}: put them into {archive_dir} and run `algoperf '
      f'data prepare {workload} --data_dir={data_dir}`.'
    )
  for name in archives:
    _verify(archive_dir / name, report)
  for builder in missing:
    store.prepare(builder, report)


def _verify(path: pathlib.Path, report: spec.Report) -> None:
  """Compares an archive with its checksum; of the largest it takes minutes.

  Raises:
    UsageError: it is another.
  """
  kind, _, published = CHECKSUMS[path.name].partition(':')
  digest = hashlib.new(kind, usedforsecurity=False)
  size, done = path.stat().st_size, 0
  with path.open('rb') as file:
    while block := file.read(_BLOCK):
      digest.update(block)
      before, done = done, done + len(block)
      if before // _REPORTED < done // _REPORTED:
        report(f'{path.name}: {done / size:.0%} checked')
  if digest.hexdigest() != published:
    raise spec.UsageError(
      f'The archive {path} is not the published one, or damaged: its '
      f'{kind.upper()} is {digest.hexdigest()}, not {published}: get it again.'
    )
