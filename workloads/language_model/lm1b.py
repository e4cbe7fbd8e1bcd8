"""The One Billion Word benchmark: a sentence is an example.

Dimensions: L sequence.

A sentence is SentencePiece tokens and an end. Inputs are its tokens shifted
right behind a 0, so that the first is predicted from nothing; targets are the
tokens. For training several sentences are packed in a row, told apart by
`inputs_segmentation`, and longer ones than a row are left out. For evaluation a
sentence is a row, cut off at `eval_length` tokens. Lengths, vocabulary and
model are those of flax's example lm1b.

TFDS has two splits of it, 'train' and 'test'. Our validation is the first half
of its 'test', our test the second.

The text is that of Chelba et al. 2013, https://arxiv.org/abs/1312.3005.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import functools
import pathlib
from typing import Any

from etils import epath
import grain
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.lm1b import lm1b_dataset_builder

from algoperf import spec
from workloads.data import (
  batches,
  hosted,
  packing,
  rows,
  splits,
  stream,
  tokenizer,
)
from workloads.language_model import configs

NAME = 'lm1b'
_URL = (
  'http://www.statmt.org/lm-benchmark/'
  '1-billion-word-language-modeling-benchmark-r13output.tar.gz'
)
_FILES = {
  'train': 'training-monolingual.tokenized.shuffled/news.en-*',
  'test': 'heldout-monolingual.tokenized.shuffled/news.en.heldout-*',
}


class Lm1b(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """What TFDS's builder makes; that one needs TensorFlow to find files."""

  VERSION = tfds.core.Version('1.1.0')
  code_path = epath.Path(lm1b_dataset_builder.__file__)  # For checksums.

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict({'text': tfds.features.Text()}),
      supervised_keys=('text', 'text'),
    )

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
    archive = pathlib.Path(dl_manager.download_and_extract(_URL))
    return {
      split: self._generate_examples(sorted(archive.glob(f'*/{pattern}')))
      for split, pattern in _FILES.items()
    }

  def _generate_examples(
    self, files: list[pathlib.Path]
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in files:
      with file.open(encoding='utf-8') as lines:
        for index, line in enumerate(lines):
          yield f'{file.name}_{index}', {'text': line.strip()}


def prepare(config: configs.Config, data_dir: str, report: spec.Report) -> None:
  hosted.prepare(Lm1b(data_dir=data_dir), report)
  path = _vocabulary(data_dir)
  if not path.exists():
    report(f'{config.name}: training the vocabulary {path}')
    examples = _source(config, data_dir, 'train')
    lines = (example['text'].decode() for example in examples)
    tokenizer.write(path, tokenizer.train(lines, config.vocab_size))


def check(config: configs.Config, data_dir: str) -> None:
  for split in _FILES:
    _source(config, data_dir, split)
  _tokenizer(config, data_dir)


def needs(config: configs.Config) -> spec.DataNeeds:
  del config  # The same for all.
  return spec.DataNeeds(
    source="a download of 1.8 GB, or TFDS's TFRecord files",
    disk_gib=15,
    time='1 to 2 hours',
  )


def num_stored(config: configs.Config, data_dir: str, split: str) -> int:
  return len(_part(config, data_dir, split))


def train_batches(
  config: configs.Config,
  data_dir: str,
  batch_size: int,
  data_rng: spec.RandomState,
  hosts: rows.Hosts | None = None,
) -> grain.DatasetIterator[batches.Batch]:
  return stream.train_stream(
    _part(config, data_dir, 'train'),
    data_rng=data_rng,
    batch_size=batch_size,
    transform=_Encoder(_tokenizer(config, data_dir)),
    keep=functools.partial(_fits, length=config.sequence_length),
    workers=stream.workers(config.workers),
    hosts=hosts,
    finish=functools.partial(_packed, length=config.sequence_length),
  )


def eval_batches(
  config: configs.Config,
  data_dir: str,
  split: str,
  batch_size: int,
  tight: bool = False,
) -> Iterator[batches.Batch]:
  encode = _Encoder(_tokenizer(config, data_dir))
  for batch in stream.eval_stream(
    _part(config, data_dir, split),
    batch_size=batch_size,
    transform=functools.partial(_padded, encode, length=config.eval_length),
    workers=stream.workers(config.workers),
    tight=tight,
  ):
    yield {**batch, 'weights': packing.weights(batch['targets'])}


@dataclasses.dataclass(frozen=True)
class _Encoder:
  """Text to inputs and targets; for any process."""

  vocabulary: tokenizer.Tokenizer

  def __call__(
    self, example: Mapping[str, bytes], rng: np.random.Generator | None = None
  ) -> dict[str, np.ndarray]:
    del rng  # Nothing about a sentence is drawn.
    (targets,) = self.vocabulary.encode([example['text'].decode()])
    inputs = np.concatenate([np.zeros(1, np.int32), targets[:-1]])
    return {'inputs': inputs, 'targets': targets}


@dataclasses.dataclass(frozen=True)
class _Range:
  """Some examples that follow each other."""

  examples: splits.RandomAccess
  indices: range

  def __len__(self) -> int:
    return len(self.indices)

  def __getitem__(self, index: int) -> splits.Example:
    return self.examples[self.indices[index]]


def _fits(example: Mapping[str, np.ndarray], length: int) -> bool:
  return len(example['targets']) <= length


def _packed(
  examples: grain.IterDataset[Any], length: int
) -> grain.IterDataset[batches.Batch]:
  return packing.Rows(examples, length).map(_without_target_segments)


def _without_target_segments(row: batches.Batch) -> batches.Batch:
  """Those of the targets are those of the inputs."""
  repeated = ('targets_position', 'targets_segmentation')
  return {key: row[key] for key in row if key not in repeated}


def _padded(
  encode: _Encoder, example: Mapping[str, bytes], length: int
) -> dict[str, np.ndarray]:
  return {
    side: packing.pad([tokens[:length]], length)[0]
    for side, tokens in encode(example).items()
  }


def _part(
  config: configs.Config, data_dir: str, split: str
) -> splits.RandomAccess:
  """The examples of a split."""
  if split in ('train', 'eval_train'):
    limit = config.num_eval_train_examples if split == 'eval_train' else None
    return _source(config, data_dir, 'train', limit)
  held_out = _source(config, data_dir, 'test')
  half, count = len(held_out) // 2, len(held_out)
  halves = {'validation': range(half), 'test': range(half, count)}
  return _Range(held_out, halves[split])


def _source(
  config: configs.Config, data_dir: str, split: str, limit: int | None = None
) -> splits.RandomAccess:
  return splits.open_split(
    data_dir, NAME, split, limit=limit, workload=config.name
  )


def _tokenizer(config: configs.Config, data_dir: str) -> tokenizer.Tokenizer:
  return tokenizer.read(
    _vocabulary(data_dir), config.vocab_size, workload=config.name
  )


def _vocabulary(data_dir: str) -> pathlib.Path:
  return pathlib.Path(data_dir) / f'{NAME}_sentencepiece_model'
