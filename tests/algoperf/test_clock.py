"""The clock: every moment in one part, fenced at the timed boundary."""

import pytest

from algoperf import clock as clock_lib


class Time:
  """A clock that tests turn by hand."""

  def __init__(self):
    self.now = 100.0

  def __call__(self) -> float:
    return self.now


def make(**kwargs):
  time = Time()
  return time, clock_lib.SubmissionClock(now=time, **kwargs)


def test_each_moment_is_charged_to_the_part_it_was_spent_in():
  time, clock = make()
  for part, seconds in (
    ('data', 1.0),
    ('update', 2.0),
    ('prepare', 4.0),
    ('evaluation', 8.0),
    ('logging', 16.0),
    ('checkpointing', 32.0),
    ('update', 64.0),
  ):
    clock.enter(part)
    time.now += seconds
  clock.enter('other')
  time.now += 128.0
  clock.enter('other')
  assert clock.parts() == {
    'compile': 0.0,
    'data': 1.0,
    'update': 66.0,
    'prepare': 4.0,
    'evaluation': 8.0,
    'logging': 16.0,
    'checkpointing': 32.0,
    'other': 128.0,
  }
  assert clock.timed == 71.0
  assert clock.wall == 255.0


def test_time_before_the_process_counts_as_other():
  time, clock = make(started=97.0)
  clock.enter('update')
  assert clock['other'] == 3.0
  assert clock.wall == 3.0
  assert time.now == 100.0


def test_queued_work_is_charged_to_the_timed_side_of_the_boundary():
  time = Time()

  def fence():
    time.now += 5.0  # Work that was still queued.

  clock = clock_lib.SubmissionClock(now=time, fence=fence)
  clock.enter('update')  # Whatever the harness had queued is its own.
  assert clock['other'] == 5.0
  time.now += 1.0
  clock.enter('evaluation')
  assert clock.timed == 6.0
  assert clock['evaluation'] == 0.0


def test_after_a_failure_the_clock_leaves_without_waiting():
  def fence():
    raise RuntimeError('what was dispatched has failed')

  time, clock = make(fence=fence)
  clock.enter('update', fenced=False)
  time.now += 3.0
  with pytest.raises(RuntimeError):
    clock.enter('evaluation')
  clock.enter('other', fenced=False)
  assert clock.timed == clock.wall == 3.0


def test_nothing_waits_between_timed_parts():
  fences = []
  time, clock = make(fence=lambda: fences.append(1))
  clock.enter('update')
  fences.clear()
  for _ in range(3):
    clock.enter('data')
    clock.enter('update')
  assert not fences
  clock.enter('logging')
  assert len(fences) == 1
  clock.enter('evaluation')
  assert len(fences) == 1
  assert clock.wall == time.now - 100.0


def test_compilation_is_taken_out_of_the_part_it_happened_in():
  compiled = [0.0]
  time, clock = make(compiled=lambda: compiled[0])
  clock.enter('update')
  time.now, compiled[0] = time.now + 10.0, 7.0
  clock.enter('evaluation')
  time.now, compiled[0] = time.now + 4.0, 10.0
  clock.enter('other')
  assert clock['compile'] == 7.0
  assert clock['update'] == 3.0
  assert clock['evaluation'] == 4.0  # Untimed parts keep their compilation.
  assert clock.timed == 10.0


def test_compilation_never_exceeds_the_part():
  compiled = [0.0]
  time, clock = make(compiled=lambda: compiled[0])
  clock.enter('update')
  time.now, compiled[0] = time.now + 1.0, 1.5
  clock.enter('other')
  assert clock['compile'] == 1.0
  assert clock['update'] == 0.0


@pytest.mark.parametrize('part', ['', 'training'])
def test_a_part_that_does_not_exist_is_an_error(part):
  _, clock = make()
  with pytest.raises(KeyError):
    clock.enter(part)
    clock.enter('other')
