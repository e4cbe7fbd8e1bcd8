"""CRC-32C, the checksum of TFRecord files, by numpy.

A cyclic redundancy check is linear: that of two pieces follows from those of
either by a table. So the pieces of a long record are paired off, all at once,
until one is left: ten times as fast as Python byte by byte.

Castagnoli's polynomial; RFC 3720, appendix B.4 has test vectors.
"""

import functools

import numpy as np

_POLYNOMIAL = 0x82F63B78  # Its bits reversed.
_ONES = 0xFFFFFFFF
_SHORT = 512  # Bytes; numpy's calls would cost more than a loop.


def crc32c(data: bytes) -> int:
  """The checksum of some bytes."""
  if len(data) < _SHORT:
    state = _ONES
    for byte in data:
      state = _BYTE_LIST[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ _ONES
  # The first four bytes take in the initial value; then zeros may be put ahead.
  pieces = np.zeros((len(data) + 1) // 2 * 2, np.uint8)
  start = len(pieces) - len(data)
  pieces[start:] = np.frombuffer(data, np.uint8)
  pieces[start : start + 4] ^= 0xFF
  states = _pairs()[pieces.view('<u2')]
  level = 1
  while len(states) > 1:
    if len(states) % 2:
      states = np.concatenate([np.zeros(1, np.uint32), states])
    low, high = _shifts(level)
    ahead, last = states[0::2], states[1::2]
    states = low[ahead & 0xFFFF] ^ high[ahead >> 16] ^ last
    level += 1
  return int(states[0]) ^ _ONES


def masked(data: bytes) -> int:
  """The checksum as TFRecord files have it: rotated, and a number added."""
  crc = crc32c(data)
  return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ONES


def _byte_table() -> np.ndarray:
  table = np.arange(256, dtype=np.uint32)
  for _ in range(8):
    table = np.where(table & 1, table >> 1 ^ _POLYNOMIAL, table >> 1)
  return table.astype(np.uint32)


_BYTES = _byte_table()
_BYTE_LIST = _BYTES.tolist()


def _zero_byte(states: np.ndarray) -> np.ndarray:
  """States after one more byte, a zero."""
  return _BYTES[states & 0xFF] ^ states >> 8


@functools.cache
def _pairs() -> np.ndarray:
  """States after two bytes, by both as a little-endian number."""
  number = np.arange(1 << 16, dtype=np.uint32)
  return _zero_byte(_BYTES[number & 0xFF]) ^ _BYTES[number >> 8]


@functools.cache
def _shifts(level: int) -> tuple[np.ndarray, np.ndarray]:
  """States after 2^level zero bytes, by the low and the high half before."""
  if level == 1:
    number = np.arange(1 << 16, dtype=np.uint32)
    return tuple(
      _zero_byte(_zero_byte(half)) for half in (number, number << 16)
    )
  low, high = _shifts(level - 1)
  return tuple(low[half & 0xFFFF] ^ high[half >> 16] for half in (low, high))
