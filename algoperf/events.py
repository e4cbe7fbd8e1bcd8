"""What the process of a trial tells its parent, and that nobody else does.

Events are lines in a pipe: a number, a keyed hash of all that follows, and a
JSON object. A submission runs in the same process and can write to the pipe,
but it has no key: the parent hands it over in a file that is gone before the
submission is imported, and afterwards it lies within a hash that does not give
it away. A line of anyone else, one that is told twice, and one that is altered,
are forged; what is forged is a violation, see `integrity`.

Violations have a key of their own, with which nothing else can be told: whoever
reports them is within reach of a submission.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import hashlib
import hmac
import itertools
import json
import os
import secrets
from typing import Any, Self


class ForgedError(Exception):
  """Somebody else than the harness has written to the pipe."""


VIOLATION = 'violation'
_KEY_BYTES = 32
_TEXT = 2000  # Characters: a line is to be one write, or it could be mixed.


@dataclasses.dataclass(frozen=True)
class Keys:
  """What the child needs to tell anything; for JSON."""

  events: str
  violations: str

  @classmethod
  def fresh(cls) -> Self:
    return cls(*(secrets.token_hex(_KEY_BYTES) for _ in range(2)))


class Sender:
  """Tells events to the parent."""

  def __init__(self, descriptor: int, key: str):
    """Keeps the hash, not the key.

    Args:
      descriptor: of the pipe.
      key: one of `Keys`.
    """
    self._descriptor = descriptor
    self._hash = _keyed(key)
    self._numbers = itertools.count()
    self._write = os.write

  def send(self, event: str, **content: Any) -> None:
    """Writes one line; without a parent, nothing."""
    shortened = {
      name: value[:_TEXT] if isinstance(value, str) else value
      for name, value in content.items()
    }
    text = json.dumps({'event': event, **shortened})
    numbered = f'{next(self._numbers)} {text}'.encode()
    line = b'%b %b\n' % (_mark(self._hash, numbered), numbered)
    with contextlib.suppress(BrokenPipeError):
      self._write(self._descriptor, line)

  def violation(self, message: str) -> None:
    """Tells of a violation; takes the key for them."""
    self.send(VIOLATION, message=message)


class Receiver:
  """Makes events of the lines of one child."""

  def __init__(self, keys: Keys):
    self._events, self._violations = map(_keyed, (keys.events, keys.violations))
    self._rest = b''
    self._seen: set[tuple[bool, int]] = set()

  def read(self, data: bytes) -> Iterator[dict[str, Any]]:
    """The events in what has come since.

    Raises:
      ForgedError: a line is not the harness's.
    """
    *lines, self._rest = (self._rest + data).split(b'\n')
    for line in lines:
      event = self._event(line)
      if event is None:
        raise ForgedError(
          'writes to the pipe that the harness tells its parent process '
          f'through: {line[:80].decode(errors="replace")!r}'
        )
      yield event

  def _event(self, line: bytes) -> dict[str, Any] | None:
    """What a line tells; None if it is not the harness that does."""
    mark, _, text = line.partition(b' ')
    for hashed, alarm in ((self._events, False), (self._violations, True)):
      if hmac.compare_digest(_mark(hashed, text), mark):
        number, _, content = text.partition(b' ')
        event = json.loads(content)
        told = alarm, int(number)
        if told in self._seen or alarm != (event['event'] == VIOLATION):
          return None
        self._seen.add(told)
        return event
    return None


def _keyed(key: str) -> hashlib.blake2b:
  return hashlib.blake2b(key=bytes.fromhex(key), digest_size=16)


def _mark(keyed: hashlib.blake2b, text: bytes) -> bytes:
  copy = keyed.copy()
  copy.update(text)
  return copy.hexdigest().encode()
