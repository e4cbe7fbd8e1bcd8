"""English number phrases and their German translation, made by num2words.

German turns tens and units round ("dreiundzwanzig"), writes numbers below a
million as one word, and has its own way with years: enough to learn for a small
model, and never ambiguous.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
import types
from typing import Any, NamedTuple

import num2words
import numpy as np
import tensorflow_datasets as tfds

from workloads.data import store

SPLIT_SIZES = {'validation': 256, 'test': 256, 'train': 20_000}
_SEED = 0
_KINDS = {'cardinal': 0.4, 'ordinal': 0.15, 'year': 0.15, 'currency': 0.3}
_CURRENCIES = ('EUR', 'USD', 'GBP')  # Known to num2words in both languages.


class Pair(NamedTuple):
  """A number in words; `number` is an amount of money for currencies."""

  kind: str
  number: Decimal
  en: str
  de: str


def pairs(
  split_sizes: Mapping[str, int] = types.MappingProxyType(SPLIT_SIZES),
) -> dict[str, list[Pair]]:
  """All pairs by split, the same in every process.

  No two pairs have the same kind and number, nor the same English words, so
  that none of a split's numbers occurs in another.
  """
  rng = np.random.default_rng(_SEED)
  total = sum(split_sizes.values())
  numbers, found = set(), {}
  while len(found) < total:
    kind = str(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    number = _draw(kind, rng)
    if (kind, number) in numbers:
      continue
    numbers.add((kind, number))
    pair = _in_words(kind, number, rng)
    found.setdefault(pair.en, pair)
  ordered = iter(found.values())
  return {
    split: [next(ordered) for _ in range(size)]
    for split, size in split_sizes.items()
  }


class NumeralsTranslate(store.Builder):
  """`pairs` as a translation data set, in the form of TFDS's WMT data sets."""

  VERSION = tfds.core.Version('1.0.0')
  SIZES = types.MappingProxyType(SPLIT_SIZES)

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.Translation(languages=('en', 'de')),
      supervised_keys=('en', 'de'),
      disable_shuffling=True,
    )

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
    del dl_manager  # Nothing is downloaded.
    return {
      split: self._generate_examples(found)
      for split, found in pairs(self.SIZES).items()
    }

  def _generate_examples(
    self, found: list[Pair]
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, pair in enumerate(found):
      yield index, {'en': pair.en, 'de': pair.de}


class ToyTranslate(NumeralsTranslate):
  """So few of them that they are there at once, to try code on."""

  SIZES = types.MappingProxyType({'validation': 16, 'test': 16, 'train': 256})


def _draw(kind: str, rng: np.random.Generator) -> Decimal:
  """A number; all counts of digits are equally likely, except in years."""
  if kind == 'year':
    return Decimal(int(rng.integers(1_000, 10_000)))
  if kind == 'ordinal':
    return Decimal(_digits(rng, 6))
  if kind == 'currency':
    return Decimal(_digits(rng, 6)).scaleb(-2)
  whole = _digits(rng, 6)
  decimals = int(rng.integers(1, 4))
  # Half of them are integers.
  fraction = int(rng.integers(10**decimals)) if rng.random() < 0.5 else 0
  return whole + Decimal(fraction).scaleb(-decimals).normalize()


def _digits(rng: np.random.Generator, most: int) -> int:
  digits = int(rng.integers(1, most + 1))
  return int(rng.integers(10 ** (digits - 1), 10**digits))


def _in_words(kind: str, number: Decimal, rng: np.random.Generator) -> Pair:
  options = {'to': kind}
  if kind == 'currency':
    options['currency'] = str(rng.choice(_CURRENCIES))
    value = number
  else:
    # Of an integral Decimal num2words is ten times slower than of an int.
    value = number if number % 1 else int(number)
  en, de = (
    num2words.num2words(value, lang=lang, **options) for lang in ('en', 'de')
  )
  return Pair(kind, number, en, de)
