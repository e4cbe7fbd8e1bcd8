"""CRC-32C against published values and a loop over bits."""

from hypothesis import given, strategies
import pytest

from workloads.data import crc32c

# RFC 3720, appendix B.4, and the usual check value.
VECTORS = {
  bytes(32): 0x8A9136AA,
  b'\xff' * 32: 0x62A8AB43,
  bytes(range(32)): 0x46DD794E,
  bytes(range(31, -1, -1)): 0x113FDB5C,
  b'123456789': 0xE3069283,
}


@pytest.mark.parametrize(('data', 'expected'), VECTORS.items())
def test_published_values(data, expected):
  assert crc32c.crc32c(data) == expected


def by_bits(data):
  state = 0xFFFFFFFF
  for byte in data:
    state ^= byte
    for _ in range(8):
      state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
  return state ^ 0xFFFFFFFF


@given(strategies.integers(0, 3000), strategies.integers(0, 255))
def test_any_length(length, first):
  data = bytes((first + 7 * i * i) % 256 for i in range(length))
  assert crc32c.crc32c(data) == by_bits(data)
