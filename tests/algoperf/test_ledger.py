"""The ledger: nothing is lost, nothing is changed unseen, one runner a time."""

import dataclasses
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from algoperf import bookkeeper, files, ledger, records, spec, study, supervisor
from tests.algoperf import test_records


def make_trial(experiment: pathlib.Path, number: int = 1) -> records.TrialSpec:
  directory = records.trial_directory(experiment, 1, 'toy', number)
  return test_records.make_spec(directory, trial=number)


def write_result(trial: records.TrialSpec, status: str = 'max_steps') -> None:
  directory = pathlib.Path(trial.directory)
  directory.mkdir(parents=True, exist_ok=True)
  (directory / records.EVALUATIONS_FILE).write_text(f'log of {trial.trial}\n')
  files.write_json(directory / records.TRIAL_FILE, {'status': status})


def run(
  experiment: pathlib.Path, *numbers: int, status: str = 'max_steps'
) -> None:
  with bookkeeper.opened(experiment) as keeper:
    for number in numbers:
      trial = make_trial(experiment, number)
      keeper.started(trial)
      write_result(trial, status)
      keeper.ended(trial, status)


def read(experiment: pathlib.Path) -> ledger.Chain:
  return ledger.parse((experiment / ledger.FILE).read_bytes())


def chained(content: bytes) -> None:
  """Checks the chain by hand."""
  previous = '0' * 64
  for line in content.splitlines():
    assert json.loads(line)['previous'] == previous
    previous = hashlib.sha256(line).hexdigest()


def test_it_tells_what_was_started_and_how_it_ended(tmp_path):
  run(tmp_path, 1)
  run(tmp_path, 2, status='failed')
  content = (tmp_path / ledger.FILE).read_bytes()
  chained(content)
  chain = ledger.parse(content)
  assert chain.faults == ()
  events = [line.content['event'] for line in chain.lines]
  assert events == ['opened', 'started', 'ended', 'started', 'ended']
  first, second = chain.attempts()
  assert (first.status, second.status) == ('max_steps', 'failed')
  assert second.place == ('toy', 1, 2)
  trial = make_trial(tmp_path)
  for name in ledger.STARTED:
    assert first.started.content[name] == getattr(trial, name)
  opened = chain.lines[0].content
  assert first.started.content['experiment'] == opened['experiment']
  directory = pathlib.Path(trial.directory)
  assert first.ended.content['files'] == {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()
    for path in directory.iterdir()
  }
  assert records.read_trial(directory)['ledger'] == first.started.digest
  assert files.read_json(tmp_path / records.EXPERIMENT_FILE)['ledger'] == {
    'lines': 5,
    'sha256': hashlib.sha256(content.splitlines()[-1]).hexdigest(),
  }


def test_attempts_are_counted_and_an_end_is_told_once(tmp_path):
  trial = make_trial(tmp_path)
  write_result(trial)
  with bookkeeper.opened(tmp_path) as keeper:
    keeper.ended(trial, 'max_steps')  # Nothing was started.
    keeper.started(trial)
    keeper.started(trial)
    keeper.ended(trial, 'failed')
    keeper.ended(trial, 'max_steps', 'found')
  attempts = read(tmp_path).attempts()
  assert [a.started.content['attempt'] for a in attempts] == [1, 2]
  assert [a.status for a in attempts] == [None, 'failed']


def test_a_later_runner_tells_an_end_that_was_not_seen(tmp_path):
  trial = make_trial(tmp_path)
  with bookkeeper.opened(tmp_path) as keeper:
    keeper.started(trial)
  write_result(trial)
  with bookkeeper.opened(tmp_path) as keeper:
    keeper.ended(trial, 'max_steps', 'found')
  (attempt,) = read(tmp_path).attempts()
  assert attempt.ended.content['event'] == 'found'


@pytest.mark.parametrize('kept', [1, 20, -1])
def test_a_torn_line_is_told_and_the_chain_goes_on(tmp_path, kept):
  run(tmp_path, 1)
  path = tmp_path / ledger.FILE
  seen = (tmp_path / records.EXPERIMENT_FILE).read_bytes()
  with bookkeeper.opened(tmp_path) as keeper:
    keeper.started(make_trial(tmp_path, 2))
  # Told only once the line is on the disk.
  (tmp_path / records.EXPERIMENT_FILE).write_bytes(seen)
  content = path.read_bytes()
  last = content.splitlines()[-1]
  whole = content[: -len(last) - 1]
  path.write_bytes(whole + last[:kept])
  (fault,) = read(tmp_path).faults
  assert (fault.line, fault.torn) == (4, True)
  run(tmp_path, 3)
  chain = read(tmp_path)
  (fault,) = chain.faults
  assert (fault.line, fault.torn) == (4, True)
  assert [a.place[2] for a in chain.attempts()] == [1, 3]
  assert path.read_bytes().startswith(whole + last[:kept] + b'\n')


def test_a_line_that_lacks_only_its_end_counts(tmp_path):
  run(tmp_path, 1)
  path = tmp_path / ledger.FILE
  path.write_bytes(path.read_bytes()[:-1])
  assert read(tmp_path).attempts()[0].status == 'max_steps'
  run(tmp_path, 2)
  assert read(tmp_path).faults == ()
  chained(path.read_bytes())


def test_a_runner_that_is_killed_leaves_whole_lines(tmp_path):
  """Kills a process that appends without end, at no chosen moment."""
  code = f"""
import pathlib
from algoperf import bookkeeper
from tests.algoperf import test_ledger
path = pathlib.Path({str(tmp_path)!r})
with bookkeeper.opened(path) as keeper:
  for number in range(1, 100000):
    keeper.started(test_ledger.make_trial(path, number))
    if number % 50 == 0:
      print(number, flush=True)
"""
  process = subprocess.Popen(
    [sys.executable, '-c', code],
    stdout=subprocess.PIPE,
    cwd=pathlib.Path(__file__).parents[2],
  )
  process.stdout.readline()
  process.send_signal(signal.SIGKILL)
  process.wait()
  process.stdout.close()
  chain = read(tmp_path)
  assert all(fault.torn for fault in chain.faults)
  assert len(chain.attempts()) >= 50
  anchor = files.read_json(tmp_path / records.EXPERIMENT_FILE)['ledger']
  assert chain.lines[anchor['lines'] - 1].digest == anchor['sha256']
  run(tmp_path, 7)  # The lock went with its owner.


def altered(lines: list[bytes]) -> dict[str, list[bytes]]:
  return {
    'a value': [*lines[:2], lines[2].replace(b'x', b'y'), *lines[3:]],
    'deleted': lines[:1] + lines[3:],
    'deleted first': lines[1:],
    'inserted': lines[:3] + [lines[1]] + lines[3:],
    'swapped': [lines[0], lines[3], lines[4], lines[1], lines[2]],
    'emptied': [*lines[:2], b'', *lines[3:]],
    'no object': [*lines[:2], b'[1]', *lines[3:]],
    'a blank': [*lines[:1], lines[1] + b' ', *lines[2:]],
  }


@pytest.mark.parametrize('how', altered([b''] * 5))
def test_every_alteration_breaks_the_chain(tmp_path, how):
  run(tmp_path, 1, 2)
  lines = (tmp_path / ledger.FILE).read_bytes().splitlines()
  chain = ledger.parse(b'\n'.join(altered(lines)[how]) + b'\n')
  assert any(not fault.torn for fault in chain.faults)


def cut_off(directory):
  path = directory / ledger.FILE
  path.write_bytes(b''.join(path.read_bytes().splitlines(True)[:-2]))


def alter(directory):
  path = directory / ledger.FILE
  path.write_bytes(path.read_bytes().replace(b'max_steps', b'failed', 1))


def alter_the_end(directory):
  path = directory / ledger.FILE
  *lines, last = path.read_bytes().splitlines(True)
  path.write_bytes(b''.join(lines) + last.replace(b'max_steps', b'failed'))


def take_away(directory):
  (directory / ledger.FILE).unlink()


def forget(directory):
  (directory / records.EXPERIMENT_FILE).unlink()


@pytest.mark.parametrize(
  'change', [cut_off, alter, alter_the_end, take_away, forget]
)
def test_nobody_goes_on_with_a_changed_ledger(tmp_path, change):
  run(tmp_path, 1, 2)
  change(tmp_path)
  before = sorted(tmp_path.rglob('*'))
  with (
    pytest.raises(spec.UsageError, match='not as it was left') as error,
    bookkeeper.opened(tmp_path),
  ):
    pass
  assert '\n' not in str(error.value)
  assert sorted(tmp_path.rglob('*')) == before


def test_a_runner_killed_before_it_told_the_length_is_gone_on_from(tmp_path):
  run(tmp_path, 1)
  path = tmp_path / ledger.FILE
  path.write_bytes(path.read_bytes().splitlines(True)[0])
  forget(tmp_path)
  run(tmp_path, 1)
  assert read(tmp_path).faults == ()


@settings(deadline=None, max_examples=100)
@given(
  st.lists(
    st.binary(max_size=40)
    | st.recursive(
      st.none() | st.integers() | st.text(max_size=5),
      lambda inner: st.dictionaries(
        st.sampled_from(['event', 'start', 'files', 'study', 'previous']),
        inner | st.sampled_from(['opened', 'started', 'ended']),
      ),
    ).map(lambda value: json.dumps(value).encode()),
    max_size=6,
  )
)
def test_any_bytes_can_be_read(parts):
  chain = ledger.parse(b'\n'.join(parts))
  chain.attempts()
  for line in chain.lines:
    assert line.number <= sum(part.count(b'\n') + 1 for part in parts)


def test_a_second_runner_is_refused_and_the_first_goes_on(tmp_path):
  experiment = tmp_path / 'out' / 'sgd'
  with bookkeeper.opened(experiment) as keeper:
    with (
      pytest.raises(spec.UsageError, match='has a runner already') as error,
      bookkeeper.opened(experiment),
    ):
      pass
    assert '\n' not in str(error.value)
    keeper.started(make_trial(experiment))
  assert len(read(experiment).attempts()) == 1
  with bookkeeper.opened(experiment):
    pass


def test_nothing_is_left_where_nothing_was_started(tmp_path):
  with bookkeeper.opened(tmp_path / 'out' / 'sgd'):
    pass
  assert list(tmp_path.iterdir()) == []
  (tmp_path / 'out').mkdir()
  with bookkeeper.opened(tmp_path / 'out' / 'sgd'):
    (tmp_path / 'out' / 'sgd' / 'mine').write_text('')
  assert [p.name for p in tmp_path.rglob('*')] == ['out', 'sgd', 'mine']


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
  run(tmp_path, 1)
  before = (tmp_path / ledger.FILE).read_bytes()
  write = os.write
  with bookkeeper.opened(tmp_path) as keeper:

    def half(handle: int, content: bytes) -> int:
      if len(content) < 20:
        raise OSError(28, 'No space left on device')
      return write(handle, content[: len(content) // 2])

    monkeypatch.setattr(os, 'write', half)
    with pytest.raises(OSError, match='No space left') as error:
      keeper.started(make_trial(tmp_path, 2))
    assert records.is_full(error.value)
    monkeypatch.undo()
    assert (tmp_path / ledger.FILE).read_bytes() == before
    keeper.started(make_trial(tmp_path, 3))
  assert [a.place[2] for a in read(tmp_path).attempts()] == [1, 3]
  assert read(tmp_path).faults == ()


class Silent:
  """An observer that says nothing."""

  def skipped(self, trial, status):
    pass

  def started(self, trial, plan):
    pass

  def progressed(self, event):
    pass

  def ended(self, trial, outcome):
    pass


def test_a_file_system_that_is_gone_is_told_in_one_line(tmp_path, monkeypatch):
  with bookkeeper.opened(tmp_path) as keeper:

    def fail(handle: int, content: bytes) -> int:
      raise OSError(5, 'Input/output error')

    monkeypatch.setattr(os, 'write', fail)
    with pytest.raises(spec.UsageError, match='Input/output error') as error:
      keeper.started(make_trial(tmp_path))
    assert '\n' not in str(error.value)
    monkeypatch.undo()


@dataclasses.dataclass
class Plan:
  """As much of a study's plan as running it takes."""

  directory: pathlib.Path
  numbers: tuple[int, ...]
  seed: int = 5

  def specs(self):
    return (make_trial(self.directory, number) for number in self.numbers)

  def with_rival(self, trial):
    return trial

  def budget(self, workload):
    return 1.0


def test_a_study_tells_its_ledger(tmp_path, monkeypatch):
  def begin_only(trial, budget, on_event, **_):
    on_event({'event': 'ready'})
    pathlib.Path(trial.directory).mkdir(parents=True, exist_ok=True)
    raise KeyboardInterrupt

  def whole(trial, budget, on_event, **_):
    on_event({'event': 'ready'})
    content = dataclasses.asdict(trial) | {'status': 'completed'}
    pathlib.Path(trial.directory).mkdir(parents=True, exist_ok=True)
    path = pathlib.Path(trial.directory) / records.TRIAL_FILE
    files.write_json(path, content)
    return supervisor.Outcome(status='completed')

  monkeypatch.setattr(supervisor, 'run', begin_only)
  plan = Plan(tmp_path / 'sgd', (1, 2))
  with pytest.raises(KeyboardInterrupt):
    study.run([plan], Silent())
  monkeypatch.setattr(supervisor, 'run', whole)
  assert study.run([plan], Silent()) == ['completed'] * 2
  assert study.run([plan], Silent()) == ['completed'] * 2
  chain = read(plan.directory)
  assert chain.faults == ()
  assert [(a.place[2], a.status) for a in chain.attempts()] == [
    (1, 'interrupted'),
    (1, 'completed'),
    (2, 'completed'),
  ]
  content = files.read_json(plan.directory / records.EXPERIMENT_FILE)
  assert content['seed'] == 5
  assert content['ledger']['lines'] == len(chain.lines)
