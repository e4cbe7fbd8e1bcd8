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
  """A few tenths of a second on a CPU."""
  return jax.lax.fori_loop(0, 40, lambda _, a: a @ a / jnp.linalg.norm(a), x)


@pytest.fixture
def matrix():
  x = jnp.ones((700, 700))
  jax.block_until_ready(_heavy(x))
  dispatch.fence()
  return x


def _seconds_of_one(matrix) -> float:
  start = time.monotonic()
  jax.block_until_ready(_heavy(matrix))
  return time.monotonic() - start


@pytest.mark.parametrize('keep', [True, False])
def test_fence_waits_for_results_held_and_dropped(matrix, keep):
  alone = min(_seconds_of_one(matrix) for _ in range(2))
  held = []
  start = time.monotonic()
  for _ in range(3):
    result = _heavy(matrix)
    if keep:
      held.append(result)
    del result
  dispatched = time.monotonic() - start
  dispatch.fence()
  waited = time.monotonic() - start
  assert dispatched < alone, 'the work was not asynchronous'
  assert waited > 2 * alone, 'the fence did not wait for all three'


def test_no_queued_work_escapes_the_clock(matrix):
  clock = clock_lib.SubmissionClock(fence=dispatch.fence)
  clock.enter('update')
  for _ in range(3):
    _heavy(matrix)
  clock.enter('evaluation')
  start = time.monotonic()
  dispatch.fence()
  left = time.monotonic() - start
  assert left < 0.01 * clock.timed


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
  assert 0.3 * elapsed < compiled <= elapsed
  before = timer()
  function(x)
  assert timer() == before


def test_throttle_keeps_the_host_near_the_device(matrix):
  throttle = dispatch.Throttle()
  params = {'large': matrix, 'small': matrix[0]}
  throttle.step(params)
  alone = _seconds_of_one(matrix)
  ahead = []
  start = time.monotonic()
  for step in range(1, 6):
    params['small'] = _heavy(params['large'])[0]
    throttle.step(params)
    finished = (time.monotonic() - start) / alone
    ahead.append(step - finished)
  assert max(ahead) < 4, 'the host ran away from the device'


def test_throttle_takes_parameters_of_any_kind():
  throttle = dispatch.Throttle()
  for _ in range(5):
    throttle.step({'a': np.zeros((3, 2)), 'b': jnp.float32(1.0)})
