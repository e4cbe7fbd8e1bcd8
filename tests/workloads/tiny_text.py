"""Tiny data sets of text on disk in the schemas of the real ones."""

from collections.abc import Mapping
import pathlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tests.workloads import tiny
from workloads.data import store
from workloads.language_model import fineweb

_SYLLABLES = {
  'de': ('der', 'schlö', 'tzen', 'keit', 'ung', 'ächt', 'gruß', 'für', 'wa'),
  'en': ('the', 'ing', 'tion', 'ly', 'wat', 'er', 'ness', 'ough', 'ple'),
}
_MARKS = ('.', '.', '.', '?', '!', ' – 3,5 %.', ' "x".')


def sentence(seed: int, language: str, most_words: int = 12) -> str:
  """Words that are likelier the shorter they are, and a mark.

  Of two languages the sentences of a seed say the same word by word.
  """
  rng = np.random.default_rng(seed)
  syllables = _SYLLABLES[language]
  words = []
  for _ in range(rng.integers(1, most_words + 1)):
    number = int(rng.pareto(0.5)) % 10_000
    word = ''
    while number or not word:
      number, digit = divmod(number, len(syllables))
      word += syllables[digit]
    words.append(word)
  return ' '.join(words) + str(rng.choice(_MARKS))


def write_wmt(
  data_dir: str | pathlib.Path,
  sizes: Mapping[str, int],
  most_words: int = 12,
) -> None:
  """wmt17_translate/de-en and wmt14_translate/de-en 1.0.0.

  Args:
    data_dir: where both go.
    sizes: numbers of pairs of train, validation and test.
    most_words: of a sentence.
  """
  for builder, splits in (
    (Wmt17Translate, ('train',)),
    (Wmt14Translate, ('train', 'validation', 'test')),
  ):
    store.prepare(
      builder(
        data_dir=data_dir,
        config='de-en',
        sizes={split: sizes[split] for split in splits},
        most_words=most_words,
      )
    )


def write_lm1b(
  data_dir: str | pathlib.Path,
  sizes: Mapping[str, int],
  most_words: int = 12,
) -> None:
  """lm1b 1.1.0; `sizes` of train and test."""
  store.prepare(Lm1b(data_dir=data_dir, sizes=sizes, most_words=most_words))


def documents(
  count: int, vocab_size: int, lengths: tuple[int, int] = (1, 60)
) -> list[np.ndarray]:
  """Random tokens, each document ended by the last id.

  Args:
    count: of documents.
    vocab_size: of ids.
    lengths: the least, and what all are below; without the end.
  """
  rng = np.random.default_rng(0)
  return [
    np.append(rng.integers(vocab_size - 1, size=length), vocab_size - 1)
    for length in rng.integers(*lengths, count)
  ]


def write_fineweb(
  data_dir: str | pathlib.Path,
  tokens: list[np.ndarray],
  length: int,
) -> None:
  """fineweb_edu_10b 1.0.0 from tokenised documents.

  Args:
    data_dir: where it goes.
    tokens: of each document.
    length: of a sequence; a window has one token more.
  """
  directory = pathlib.Path(data_dir, 'downloads', 'fineweb_edu_10b_tokens')
  directory.mkdir(parents=True)
  # Two files, as the real sample has several.
  for name, part in (('a', tokens[::2]), ('b', tokens[1::2])):
    joined = np.concatenate(part).astype(np.uint16)
    (directory / f'{name}.tokens').write_bytes(joined.tobytes())
    np.save(directory / f'{name}.lengths.npy', [len(doc) for doc in part])
  store.prepare(
    fineweb.FinewebEdu10b(
      window=length + 1, tokens=directory, data_dir=data_dir
    )
  )


class _Sentences(tiny.Builder, skip_registration=True):
  """What the data sets have in common."""

  def __init__(self, *, most_words: int, **arguments: Any):
    self._most_words = most_words
    super().__init__(**arguments)

  def _generate_examples(self, split: str, size: int) -> tiny.Examples:
    for index in range(size):
      yield index, self._example(sum(split.encode()) * 10_000 + index)

  def _example(self, seed: int) -> dict[str, str]:
    raise NotImplementedError


class _Pairs(_Sentences, skip_registration=True):
  VERSION = tfds.core.Version('1.0.0')
  BUILDER_CONFIGS = (tfds.core.BuilderConfig(name='de-en'),)

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.Translation(languages=('de', 'en')),
      supervised_keys=('de', 'en'),
    )

  def _example(self, seed: int) -> dict[str, str]:
    return {
      language: sentence(seed, language, self._most_words)
      for language in ('de', 'en')
    }


class Wmt17Translate(_Pairs, skip_registration=True):
  pass


class Wmt14Translate(_Pairs, skip_registration=True):
  pass


class Lm1b(_Sentences, skip_registration=True):
  VERSION = tfds.core.Version('1.1.0')

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict({'text': tfds.features.Text()}),
      supervised_keys=('text', 'text'),
    )

  def _example(self, seed: int) -> dict[str, str]:
    return {'text': sentence(seed, 'en', self._most_words)}
