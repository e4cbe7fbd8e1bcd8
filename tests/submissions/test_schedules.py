import numpy as np
import pytest

from submissions import schedules


@pytest.mark.parametrize(
  ('step', 'expected'),
  [
    (0, 0.0),
    (1, 7.28643e-7),
    (1200, 8.74319e-4),
    (2399, 1.747910e-3),
    (2400, 1.748639e-3),
    (61_200, 8.74319e-4),
    (119_999, 0.0),
    (120_000, 0.0),
    (500_000, 0.0),
  ],
)
def test_warmup_cosine_is_algoperfs(step: int, expected: float):
  schedule = schedules.warmup_cosine(0.0017486387539278373, 0.02, 120_000)
  # Six digits are known; the cosine's last value is 3e-13 in exact numbers.
  np.testing.assert_allclose(schedule(step), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
  ('step', 'expected'),
  [
    (0, 0.0),
    (25, 0.5),
    (50, 1.0),
    (51, 0.998842),
    (477, 0.505579),
    (905, 0.01),
    (999, 0.01),
    (5000, 0.01),
  ],
)
def test_warmup_linear_is_algoperfs(step: int, expected: float):
  schedule = schedules.warmup_linear(1.0, 0.05, 0.9, 0.01, 1000)
  np.testing.assert_allclose(schedule(step), expected, rtol=1e-6)


def test_without_warmup_the_first_rate_is_the_peak():
  assert schedules.warmup_cosine(0.5, 0.0, 10)(0) == 0.5
  assert schedules.warmup_linear(0.5, 0.0, 0.9, 0.1, 10)(0) == 0.5


def test_warmup_may_take_all_steps():
  schedule = schedules.warmup_cosine(0.5, 1.0, 10)
  assert schedule(9) == pytest.approx(0.45)
  assert schedule(11) == pytest.approx(0.0)
