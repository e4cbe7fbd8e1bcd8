"""Fence, compile timer and throttle against real asynchronous work."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf import clock as clock_lib
from algoperf import dispatch


class Work:
  """Tenths of a second of device work that tells the host when it is done."""

  def __init__(self):
    self.done = 0
    self._start = jnp.ones((600, 600))
    self._run = jax.jit(self._compute)
    jax.block_until_ready(self._run(self._start))
    self.done = 0

  def _compute(self, x):
    x = jax.lax.fori_loop(0, 60, lambda _, a: a @ a / jnp.linalg.norm(a), x)
    shape = jax.ShapeDtypeStruct((), jnp.float32)
    return jax.pure_callback(self._note, shape, x[0, 0])

  def _note(self, value):
    self.done += 1
    return value

  def dispatch(self) -> jax.Array:
    return self._run(self._start)


@pytest.fixture(scope='module')
def work():
  return Work()


@pytest.mark.parametrize('keep', [True, False])
def test_fence_waits_for_results_held_and_dropped(work, keep):
  work.done = 0
  held = [work.dispatch() if keep else work.dispatch() is None for _ in 'abc']
  dispatch.fence()
  assert work.done == 3
  assert len(held) == 3


def test_no_queued_work_escapes_the_clock(work):
  work.done = 0
  clock = clock_lib.SubmissionClock(fence=dispatch.fence)
  clock.enter('update')
  for _ in range(3):
    work.dispatch()
  clock.enter('evaluation')
  assert work.done == 3


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


def test_throttle_keeps_the_host_near_the_device(work):
  throttle = dispatch.Throttle()
  work.done = 0
  for step in range(1, 6):
    # A step later the host has waited for the marker before the last.
    throttle.step({'large': np.zeros((3, 3)), 'small': work.dispatch()})
    assert work.done >= step - 1


def test_throttle_takes_parameters_of_any_kind():
  throttle = dispatch.Throttle()
  for _ in range(5):
    throttle.step({'a': np.zeros((3, 2)), 'b': jnp.float32(1.0)})
