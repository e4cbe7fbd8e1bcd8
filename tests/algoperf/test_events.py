"""Events reach the parent as the harness told them, or are known as forged."""

import json
import os

import pytest

from algoperf import events


class Pipe:
  """A pipe, who may write to it, and what comes out."""

  def __init__(self):
    self.reading, self.writing = os.pipe()
    self.keys = events.Keys.fresh()
    self.harness = events.Sender(self.writing, self.keys.events)
    self.alarm = events.Sender(self.writing, self.keys.violations)
    self.receiver = events.Receiver(self.keys)

  def line(self):
    return os.read(self.reading, 1 << 16)

  def events(self):
    return list(self.receiver.read(self.line()))


@pytest.fixture
def pipe():
  made = Pipe()
  yield made
  os.close(made.reading)
  os.close(made.writing)


def test_what_is_told_is_received_in_order(pipe):
  pipe.harness.send('progress', step=1, results={'loss': float('inf')})
  pipe.alarm.violation('opens a file')
  pipe.harness.send('note', text='Größe\n\udc80 ' + 'x' * 10_000)
  progress, violation, note = pipe.events()
  assert progress == {
    'event': 'progress',
    'step': 1,
    'results': {'loss': float('inf')},
  }
  assert violation == {'event': 'violation', 'message': 'opens a file'}
  assert note['text'].startswith('Größe\n\udc80 xxx')


def test_a_line_comes_in_pieces(pipe):
  pipe.harness.send('ready', step=0)
  line = pipe.line()
  pieces = (line[at : at + 7] for at in range(0, len(line), 7))
  found = [event for piece in pieces for event in pipe.receiver.read(piece)]
  assert found == [{'event': 'ready', 'step': 0}]


def forged(kind, line):
  mark, number, text = line.split(b' ', 2)
  changed = text.replace(b'"step": 1', b'"step": 9')
  return {
    'plain': json.dumps({'event': 'finished'}).encode() + b'\n',
    'other key': b'0' * len(mark) + b' ' + number + b' ' + text,
    'altered': mark + b' ' + number + b' ' + changed,
    'again': line + line,
    'renumbered': mark + b' 7 ' + text,
    'joined': b'x' + line,
    'empty': b'\n',
    'binary': b'\xff\x00 \xfe \xfd\n',
  }[kind]


@pytest.mark.parametrize(
  'kind',
  [
    'plain',
    'other key',
    'altered',
    'again',
    'renumbered',
    'joined',
    'empty',
    'binary',
  ],
)
def test_a_line_of_somebody_else_is_forged(pipe, kind):
  pipe.harness.send('progress', step=1)
  line = pipe.line()
  assert list(events.Receiver(pipe.keys).read(line))
  with pytest.raises(events.ForgedError, match='writes to the pipe'):
    list(pipe.receiver.read(forged(kind, line)))


def test_who_reports_violations_can_tell_nothing_else(pipe):
  pipe.alarm.send('finished', status='target_reached')
  with pytest.raises(events.ForgedError):
    pipe.events()
  pipe.harness.violation('not by this way')
  with pytest.raises(events.ForgedError):
    pipe.events()


def test_a_sender_without_a_parent_says_nothing():
  reading, writing = os.pipe()
  os.close(reading)
  events.Sender(writing, events.Keys.fresh().events).send('ready')
  os.close(writing)
