"""Fence, compile timer and throttle against real asynchronous work."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf import clock as clock_lib
from algoperf import dispatch


@jax.jit
def _heavy(x):
  """Tenths of a second on a CPU."""
  return jax.lax.fori_loop(0, 60, lambda _, a: a @ a / jnp.linalg.norm(a), x)


@jax.jit
def _light(x):
  return x[:1] + 1


@pytest.fixture(scope='module')
def matrix():
  x = jnp.ones((600, 600))
  jax.block_until_ready((_heavy(x), _light(x)))
  return x


def _seconds_until_idle(matrix) -> float:
  """How long the device, which keeps the order, takes to come to more work."""
  start = time.monotonic()
  jax.block_until_ready(_light(matrix))
  return time.monotonic() - start


def test_fence_waits_for_results_that_are_held(matrix):
  results = [_heavy(matrix) for _ in range(3)]
  assert not results[-1].is_ready(), 'the work was not asynchronous'
  dispatch.fence()
  assert all(result.is_ready() for result in results)


def test_no_work_escapes_the_clock_though_nobody_holds_its_results(matrix):
  clock = clock_lib.SubmissionClock(fence=dispatch.fence)
  clock.enter('update')
  for _ in range(3):
    _heavy(matrix)
  clock.enter('evaluation')
  # Without a fence the clock would have stopped at once, with all left to do.
  assert _seconds_until_idle(matrix) < 0.1 * clock.timed


def test_donated_arrays_do_not_disturb_the_fence():
  double = jax.jit(lambda x: 2 * x, donate_argnums=0)
  x = jnp.ones(1000)
  y = double(x)
  dispatch.fence()
  assert x.is_deleted()
  assert float(y[0]) == 2.0


def test_compile_timer_counts_nested_spans_once():
  timer = dispatch.CompileTimer()
  for span in ((1.0, 2.0), (2.5, 3.0), (0.0, 4.0), (5.0, 6.0)):
    timer.add(*span)
  assert timer() == 5.0
  timer.add(5.5, 7.0)  # Overlaps the one before.
  assert timer() == 6.0


def test_compile_timer_sees_compilation_and_nothing_else():
  timer = dispatch.CompileTimer()
  function = jax.jit(lambda x: jnp.sin(x) @ jnp.cos(x.T))
  x = jnp.ones((50, 50))
  before, start = timer(), time.monotonic()
  function(x)
  compiled, elapsed = timer() - before, time.monotonic() - start
  assert 0 < compiled <= elapsed
  before = timer()
  function(x)
  assert timer() == before


def test_throttle_keeps_the_host_near_the_device(matrix):
  throttle = dispatch.Throttle()
  results = []
  for _ in range(6):
    results.append(_heavy(matrix))
    throttle.step({'large': matrix, 'small': results[-1][:1]})
    # The host has waited for the marker before the last.
    assert all(result.is_ready() for result in results[:-1])


def test_throttle_takes_parameters_of_any_kind():
  throttle = dispatch.Throttle()
  for _ in range(5):
    throttle.step({'a': np.zeros((3, 2)), 'b': jnp.float32(1.0)})
