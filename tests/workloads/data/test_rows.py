"""How many rows at once, and whose."""

import jax
import pytest

from workloads.data import rows


def test_rows_worked_on_at_once_divide_the_batch_and_fit(monkeypatch):
  monkeypatch.setattr(rows, '_CPU_BYTES', 1_000)
  sizes = {1: 96, 10: 96, 11: 48, 100: 8, 101: 8, 150: 6, 5_000: 1}
  for bytes_per_row, expected in sizes.items():
    assert rows.fitting(96, bytes_per_row) == expected
  monkeypatch.setattr(jax, 'device_count', lambda: 4)
  sizes = {1: 96, 11: 48, 100: 8, 150: 4, 5_000: 4}
  for bytes_per_row, expected in sizes.items():
    assert rows.fitting(96, bytes_per_row) == expected


@pytest.mark.parametrize('devices', [1, 3, 8])
@pytest.mark.parametrize('batch_size', [1, 10, 64])
@pytest.mark.parametrize('num_examples', [1, 8, 9, 1000])
def test_tight_batches_are_divided_over_devices(
  monkeypatch, devices, batch_size, num_examples
):
  monkeypatch.setattr(jax, 'device_count', lambda: devices)
  size = rows.needed(batch_size, num_examples)
  assert size > 0 and size % devices == 0
  assert size < num_examples + devices
  assert size <= max(batch_size, devices)
  # No smaller than need be.
  larger = size + devices
  assert larger > batch_size or size >= num_examples


@pytest.mark.parametrize('count', [1, 2, 4])
def test_hosts_have_each_row_once(count):
  found = []
  for batch in range(3):
    for index in range(count):
      own = rows.Rows(8, (index, count))
      per_host = 8 // count
      assert own.own == slice(index * per_host, (index + 1) * per_host)
      places = range(batch * per_host, (batch + 1) * per_host)
      found += [own.position(row) for row in places]
  assert found == list(range(24))
