"""The fast reader of logs: many at once, as far as they are regular.

A regular log is one in which the careful reader (`damage`) finds no damage.
This one reads the same numbers from it, to the last bit, and reads no other.

F: files, R: rows of a file or of some, C: columns, as in `damage.columns`.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyarrow import csv

from scoring import damage

_IRREGULAR = (b'"', b'\0', b'(')  # The last for nan(1), which pyarrow accepts.
_BLOCK_BYTES = 1 << 18  # One thread parses so much at a time.


def read(contents: Sequence[bytes], metric: str) -> list[np.ndarray | None]:
  """Reads logs of one metric.

  Args:
    contents: of the files.
    metric: the workload's, such as 'accuracy'.

  Returns:
    values_CxR of each file, None if it is not regular.
  """
  by_header: dict[bytes, list[int]] = {}
  for place, content in enumerate(contents):
    end = content.find(b'\n') + 1
    if end < len(content) and content.endswith(b'\n'):
      by_header.setdefault(content[:end], []).append(place)
  found: list[np.ndarray | None] = [None] * len(contents)
  for header, places in by_header.items():
    try:
      names, _ = damage.header(header.removesuffix(b'\n'), metric)
    except damage.Damage:
      continue
    bodies = [memoryview(contents[place])[len(header) :] for place in places]
    parts = _parse(bodies, names, damage.columns(metric))
    for place, values_CxR in zip(places, parts, strict=True):
      found[place] = values_CxR
  return found


def _parse(
  bodies: Sequence[memoryview], names: Sequence[str], wanted: Sequence[str]
) -> list[np.ndarray | None]:
  """Reads the rows of logs that have the same columns.

  Args:
    bodies: of each file what follows the header, and ends in a newline.
    names: of all columns.
    wanted: of those to be read.

  Returns:
    As `read`.
  """
  # An empty row between two files shows, by a time that is not there, where
  # one ends: faster than to count newlines.
  between = b',' * (len(names) - 1) + b'\n'
  values_CxR = _table(between.join([*bodies, b'']), names, wanted)
  if values_CxR is not None:
    ends_F = np.flatnonzero(np.isnan(values_CxR[0]))
    if len(ends_F) == len(bodies):
      return _regular(values_CxR, ends_F)
  if len(bodies) == 1:
    return [None]
  half = len(bodies) // 2  # One irregular log must not slow down the rest.
  return [
    values
    for some in (bodies[:half], bodies[half:])
    for values in _parse(some, names, wanted)
  ]


def _table(
  body: bytes, names: Sequence[str], wanted: Sequence[str]
) -> np.ndarray | None:
  """values_CxR of rows, None if any of them is irregular."""
  if not body.isascii() or any(mark in body for mark in _IRREGULAR):
    return None
  if b'\r' in body and body.count(b'\r') != body.count(b'\r\n'):
    return None
  try:
    table = csv.read_csv(
      pa.py_buffer(body),
      csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
      csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
      csv.ConvertOptions(
        include_columns=wanted,
        include_missing_columns=True,
        column_types=dict.fromkeys(wanted, pa.float64()),
        null_values=[''],
      ),
      # Measured: a tenth less time and 20 MB less than with the default pool.
      memory_pool=pa.system_memory_pool(),
    )
  except pa.ArrowInvalid:
    return None
  # Not column by column, which would import pandas.
  blocks = [
    batch.to_tensor(null_to_nan=True, row_major=False).to_numpy().T
    for batch in table.to_batches()
  ]
  return np.concatenate(blocks, axis=1)


def _regular(
  values_CxR: np.ndarray, ends_F: np.ndarray
) -> list[np.ndarray | None]:
  """Values of each file whose times and steps are as they should be."""
  bad_R = ~np.all((values_CxR[:2] >= 0) & (values_CxR[:2] < np.inf), axis=0)
  before_2xR, after_2xR = values_CxR[:2, :-1], values_CxR[:2, 1:]
  bad_R[1:] |= np.any(after_2xR < before_2xR, axis=0)
  bad_R[1:] |= np.all(after_2xR == before_2xR, axis=0)
  bad_R[ends_F] = False
  starts_F = np.concatenate(([0], ends_F[:-1] + 1))
  bad_F = np.logical_or.reduceat(bad_R, starts_F)
  return [
    None if bad else values_CxR[:, start:end]
    for bad, start, end in zip(bad_F, starts_F, ends_F, strict=True)
  ]
