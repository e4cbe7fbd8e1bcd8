"""The parent of a trial's process, over children that do as they like."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading

import psutil
import pytest

from algoperf import (
  bookkeeper,
  files,
  interrupt,
  memory,
  records,
  study,
  supervisor,
)
from tests.algoperf import test_records

_ROOT = pathlib.Path(__file__).parents[2]
_BEGIN = """
import json, os, pathlib, signal, sys, threading, time
content = json.loads(pathlib.Path(sys.argv[1]).read_text())
from algoperf import events
keys = events.Keys(**content['keys'])
send = events.Sender(content['events'], keys.events).send
directory = pathlib.Path(content['spec']['directory'])
directory.mkdir(exist_ok=True)
pathlib.Path(__file__).with_name('pid').write_text(str(os.getpid()))

def record(status):
  path = directory / 'trial.json'
  path.write_text(json.dumps(content['spec'] | {'status': status}))

def finish(evaluation=0.0):
  wall = time.monotonic() - content['started']
  times = {'wall': wall, 'timed': 0.0, 'evaluation': evaluation}
  carried = {'wall': 0.0, 'evaluation': 0.0}
  record('max_steps')
  send('finished', status='max_steps', message=None, target=None, times=times,
       carried=carried)

send('loading')
"""
_READY = """
record('running')
send('ready', timed=0.0, step=0)
"""


def has_ended(pid):
  """Whether a process ends within seconds; it was killed if it does."""
  for _ in range(1000):
    try:
      if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
        return True
    except psutil.NoSuchProcess:
      return True
    threading.Event().wait(0.01)
  return False


@pytest.fixture
def run(tmp_path, monkeypatch):
  """Runs a trial whose process does as the text says."""
  monkeypatch.setattr(supervisor, 'WORKER', 'stub_worker')
  monkeypatch.setattr(interrupt, 'STOP_SECONDS', 1.0)
  path = os.pathsep.join([str(tmp_path), str(_ROOT)])
  monkeypatch.setenv('PYTHONPATH', path)
  directory = tmp_path / 'trial'

  def run_stub(
    text, on_event=lambda event: None, budget=100.0, begin=_READY, **kwargs
  ):
    stub = tmp_path / 'stub_worker.py'
    stub.write_text(_BEGIN + begin + textwrap.dedent(text))
    trial = test_records.make_spec(directory)
    try:
      return supervisor.run(trial, budget, on_event, **kwargs)
    finally:
      assert has_ended(int((tmp_path / 'pid').read_text()))

  run_stub.directory = directory
  return run_stub


def test_one_that_eats_memory_is_ended_and_told_apart(run):
  outcome = run(
    """
    eaten = []
    while True:
      eaten.append(bytearray(10_000_000))
      threading.Event().wait(0.01)
    """,
    memory_limit=300_000_000,
  )
  assert outcome.status == 'out_of_memory'
  assert '0.3 GiB' in outcome.message
  assert records.read_trial(run.directory)['status'] == 'out_of_memory'


def test_one_that_prints_without_end_is_ended(run, monkeypatch):
  monkeypatch.setattr(supervisor, '_LOG_BYTES', 1 << 20)
  outcome = run("""
    (directory / 'trial.log').write_text('x' * 2_000_000)
    threading.Event().wait()
  """)
  assert (outcome.status, outcome.message) == (
    'failed',
    'printed more than 1 MiB',
  )


def test_one_that_the_kernel_ends_for_memory_is_told_apart(run, monkeypatch):
  kills = iter([4, 5])
  monkeypatch.setattr(memory, 'kills', lambda: next(kills))
  outcome = run('os.kill(os.getpid(), signal.SIGKILL)')
  assert outcome.status == 'out_of_memory'


@pytest.mark.parametrize('name', ['SIGKILL', 'SIGTERM', 'SIGHUP'])
def test_one_that_is_ended_from_outside_can_be_gone_on_with(run, name):
  if signal.getsignal(signal.Signals[name]) is signal.SIG_IGN:
    pytest.skip(f'{name} is ignored here, as under nohup')
  outcome = run(f'os.kill(os.getpid(), signal.{name})')
  assert outcome.from_outside
  assert name in outcome.message
  assert records.read_trial(run.directory)['status'] == 'running'


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('os._exit(7)', 'status 7'),
    ('os.abort()', 'SIGABRT'),
    ('os.kill(os.getpid(), 40)', 'signal 40'),
  ],
)
def test_one_that_ends_itself_has_failed(run, text, message):
  outcome = run(text)
  assert (outcome.status, outcome.from_outside) == ('failed', False)
  assert message in outcome.message
  assert records.read_trial(run.directory)['status'] == 'failed'


def test_one_that_finishes_and_does_not_exit_is_ended(run):
  outcome = run("""
    finish()
    threading.Thread(target=threading.Event().wait).start()
  """)
  assert outcome.status == 'max_steps'


def test_one_that_closes_its_events_and_does_not_exit_has_failed(run):
  outcome = run("""
    os.close(content['events'])
    threading.Event().wait()
  """)
  assert outcome.status == 'failed'
  assert 'did not exit' in outcome.message


@pytest.mark.parametrize(
  ('text', 'what'),
  [
    ('', 'the import of the submission'),
    (f'{_READY}', 'an update'),
    (f"{_READY}\nsend('progress', timed=1.0, step=1)", 'an update'),
    (
      f"{_READY}\nsend('progress', timed=1.0, step=1, evaluating=True)",
      'an evaluation',
    ),
  ],
)
def test_what_does_not_return_is_ended(run, monkeypatch, text, what):
  monkeypatch.setattr(supervisor, '_EVALUATION_SECONDS', 0.0)
  text += '\nthreading.Event().wait()'
  outcome = run(text, budget=0.0, begin='', grace=0.0)
  assert outcome.status == 'timed_out'
  assert outcome.message.startswith(f'{what} did not return')
  assert records.read_trial(run.directory)['status'] == 'timed_out'


@pytest.mark.parametrize('before', [None, {'status': 'failed', 'seed': -1}])
def test_one_that_ends_before_its_first_record_has_one(run, before):
  run.directory.mkdir()
  if before:
    files.write_json(run.directory / records.TRIAL_FILE, before)
  outcome = run("print('said so'); os._exit(0)", begin='')
  assert outcome.status == 'failed'
  assert 'status 0 before it began' in outcome.message
  recorded = records.read_trial(run.directory)
  assert (recorded['status'], recorded['steps']) == ('failed', 0)
  assert not test_records.make_spec(run.directory).differences(recorded)
  kept = list(run.directory.glob('*/trial.json'))
  assert [files.read_json(path) for path in kept] == (
    [before] if before else []
  )


def test_one_that_forges_an_event_is_disqualified(run):
  outcome = run("""
    finish()
    os.write(content['events'], b'{"event": "finished"}' + bytes([10]))
    threading.Event().wait()
  """)
  assert outcome.status == 'disqualified'
  assert 'writes to the pipe' in outcome.message
  recorded = records.read_trial(run.directory)
  assert recorded['status'] == 'disqualified'
  assert recorded['violations'] == [recorded['message']]


def test_processes_that_it_leaves_behind_are_ended(run, tmp_path):
  outcome = run("""
    child = os.fork()
    if not child:
      threading.Event().wait()
    (directory / 'child').write_text(str(child))
    finish()
  """)
  assert outcome.status == 'max_steps'
  assert has_ended(int((run.directory / 'child').read_text()))


def test_one_that_ignores_being_asked_is_ended(run):
  def interrupted(event):
    if event.get('event') == 'progress':
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    run(
      """
      for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
      send('progress', step=1, timed=0.0)
      threading.Event().wait()
      """,
      interrupted,
    )
  assert records.read_trial(run.directory)['status'] == 'interrupted'


@pytest.mark.parametrize(('claimed', 'agrees'), [(0.0, True), (50.0, False)])
def test_evaluation_that_was_not_seen_is_not_believed(run, claimed, agrees):
  run(f'finish(evaluation={claimed})')
  noted = records.read_trial(run.directory)['supervisor']
  assert noted['agrees_with_child'] == agrees


class Silent:
  """An observer that keeps the notes."""

  def __init__(self):
    self.notes = []

  def progressed(self, event):
    if event.get('event') == 'note':
      self.notes.append(event['text'])

  def started(self, trial, plan):
    pass

  def ended(self, trial, outcome):
    self.outcome = outcome


class Plan:
  """As much of a plan as is asked of one."""

  def __init__(self, directory):
    self.directory = directory
    self.seed = 0

  def budget(self, workload):
    return 100.0


def run_study(tmp_path, monkeypatch, *outcomes):
  outcomes = iter(outcomes)
  monkeypatch.setattr(supervisor, 'run', lambda *args, **kwargs: next(outcomes))
  observer = Silent()
  status = study._run_trial(
    Plan(tmp_path),
    test_records.make_spec(tmp_path),
    observer,
    bookkeeper.Nobody(),
    None,
  )
  assert next(outcomes, None) is None
  return status, observer


_KILLED = supervisor.Outcome(
  status='failed', message='ended by SIGKILL', from_outside=True
)


def test_failures_of_the_machine_are_tried_again_twice(tmp_path, monkeypatch):
  done = supervisor.Outcome(status='max_steps')
  status, observer = run_study(tmp_path, monkeypatch, _KILLED, _KILLED, done)
  assert status == 'max_steps'
  assert len(observer.notes) == 2
  status, observer = run_study(tmp_path, monkeypatch, *[_KILLED] * 3)
  assert status == 'failed'
  assert '3 attempts' in observer.outcome.message


@pytest.mark.parametrize('status', ['failed', 'out_of_memory', 'timed_out'])
def test_those_of_the_submission_are_not(tmp_path, monkeypatch, status):
  ended = supervisor.Outcome(status=status, message='its own fault')
  assert run_study(tmp_path, monkeypatch, ended)[0] == status


def test_a_trial_that_had_to_stop_stops_the_experiment(tmp_path, monkeypatch):
  stopped = supervisor.Outcome(status='interrupted', message='disk full')
  with pytest.raises(study.UnfinishedError, match='disk full'):
    run_study(tmp_path, monkeypatch, stopped)


_LISTENER = """
import os, signal, sys, threading
from algoperf import interrupt

parent, seconds = int(sys.argv[1]), float(sys.argv[3])
asked = interrupt.Interrupt(parent or os.getppid(), seconds)
print('ready', flush=True)
if sys.argv[2] == 'evaluates':
  try:
    with asked.urgently():
      threading.Event().wait()
  except interrupt.Interrupted:
    sys.exit(75)
elif sys.argv[2] == 'ignores':
  try:
    with asked.urgently():
      try:
        threading.Event().wait()
      except interrupt.Interrupted:  # As Python does in destructors.
        threading.Event().wait()
  except interrupt.Interrupted:
    sys.exit(75)
elif sys.argv[2] == 'asks':
  while not asked():
    threading.Event().wait(0.01)
  sys.exit(75)
else:
  signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
  while True:
    threading.Event().wait()
"""


def listen(behaviour, parent=0, seconds=0.2):
  process = subprocess.Popen(
    [sys.executable, '-c', _LISTENER, str(parent), behaviour, str(seconds)],
    cwd=_ROOT,
    env=os.environ | {'PYTHONPATH': str(_ROOT)},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    start_new_session=True,
  )
  assert process.stdout.readline() == b'ready\n'
  return process


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('behaviour', ['asks', 'evaluates'])
def test_a_process_that_is_asked_ends_in_good_order(behaviour, number):
  process = listen(behaviour)
  process.send_signal(number)
  process.communicate(timeout=30)
  assert process.returncode == 75


def test_what_is_ignored_is_asked_again():
  process = listen('ignores', seconds=30)
  process.send_signal(signal.SIGTERM)
  process.communicate(timeout=20)
  assert process.returncode == 75


def test_a_process_that_does_not_listen_ends_itself():
  process = listen('hangs')
  process.send_signal(signal.SIGINT)
  _, error = process.communicate(timeout=30)
  assert process.returncode == -signal.SIGKILL
  assert b'not ended in time' in error


def test_a_process_without_its_parent_ends_itself():
  process = listen('hangs', parent=1)  # As if that had been it.
  process.communicate(timeout=30)
  assert process.returncode == -signal.SIGKILL


def test_memory_has_a_limit_and_is_counted():
  assert 0 < memory.limit() < psutil.virtual_memory().total
  before = memory.used(os.getpid())
  held = bytearray(50_000_000)
  assert memory.used(os.getpid()) - before == pytest.approx(5e7, rel=0.1)
  assert memory.used(2**30) == 0
  assert json.dumps(memory.kills()).isdecimal()
  del held
