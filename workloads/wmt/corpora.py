"""Where sentence pairs come from: data sets on disk, and how they are made."""

from collections.abc import Callable
import dataclasses

from etils import epath
from tensorflow_datasets.translate import wmt14, wmt17

from algoperf import spec
from workloads.data import hosted, store
from workloads.wmt import numerals


# TFDS's own builders, which find their checksums without the package that
# TFDS's search for them needs but does not require.
class Wmt17Translate(wmt17.Wmt17Translate, skip_registration=True):
  code_path = epath.Path(wmt17.__file__)


class Wmt14Translate(wmt14.Wmt14Translate, skip_registration=True):
  code_path = epath.Path(wmt14.__file__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
  """TFDS data sets of sentence pairs.

  Attributes:
    train: name of the data set with the split 'train'.
    held_out: that with 'validation' and 'test'.
    inputs: the feature that is translated.
    targets: the feature that it is translated to.
    prepare: puts the data sets below a directory unless they are there.
    needs: what that takes.
  """

  train: str
  held_out: str
  inputs: str
  targets: str
  prepare: Callable[[str, spec.Report], None]
  needs: spec.DataNeeds


def _prepare_wmt(data_dir: str, report: spec.Report) -> None:
  options = {'config': 'de-en', 'data_dir': data_dir}
  for builder in (Wmt17Translate(**options), Wmt14Translate(**options)):
    hosted.prepare(builder, report)


def _prepare_numerals(data_dir: str, report: spec.Report) -> None:
  store.prepare(numerals.NumeralsTranslate(data_dir=data_dir), report)


def _prepare_toy(data_dir: str, report: spec.Report) -> None:
  store.prepare(numerals.ToyTranslate(data_dir=data_dir), report)


CORPORA = {
  'wmt': Corpus(
    train='wmt17_translate/de-en',
    held_out='wmt14_translate/de-en',
    inputs='de',
    targets='en',
    prepare=_prepare_wmt,
    needs=spec.DataNeeds(
      source="downloads of 5 GB, or TFDS's TFRecord files",
      disk_gib=15,
      time='1 to 2 hours',
    ),
  ),
  'numerals': Corpus(
    train='numerals_translate',
    held_out='numerals_translate',
    inputs='en',
    targets='de',
    prepare=_prepare_numerals,
    needs=spec.DataNeeds(
      source='generated text', disk_gib=0.1, time='some seconds'
    ),
  ),
  'toy': Corpus(
    train='toy_translate',
    held_out='toy_translate',
    inputs='en',
    targets='de',
    prepare=_prepare_toy,
    needs=spec.DataNeeds(
      source='generated text', disk_gib=0.01, time='a second'
    ),
  ),
}
