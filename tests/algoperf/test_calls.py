"""Calls of a submission's functions: each counts at once, looks are rare."""

import pytest

from algoperf import calls


class Clock:
  def __init__(self):
    self.now = 0.0

  def __call__(self) -> float:
    return self.now


@pytest.fixture
def clock():
  return Clock()


@pytest.fixture
def looks():
  return []


@pytest.fixture
def made(clock, looks):
  return calls.Calls(
    lambda: None, lambda: looks.append(clock.now), lambda _: None, now=clock
  )


def test_time_counts_before_anyone_has_looked(made, clock, looks):
  def update_params(**kwargs):
    del kwargs
    clock.now += calls.PERIOD / 4

  update = made.by_keyword(update_params)
  for _ in range(3):
    update(eval_results=[])
    clock.now += calls.PERIOD / 100  # Somebody else's.
  assert made.seconds == pytest.approx(0.75 * calls.PERIOD)
  assert looks == []


def test_looks_come_after_calls_and_a_period_apart(made, clock, looks):
  def data_selection(workload, queue):
    del workload, queue
    clock.now += 0.3 * calls.PERIOD

  select, queue = made.selection(data_selection), iter(())
  for _ in range(9):
    select(None, queue)
  assert looks == pytest.approx([1.2 * calls.PERIOD, 2.4 * calls.PERIOD])
