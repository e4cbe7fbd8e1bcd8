"""Which trial comes next, told by the first host to the others.

The command runs on every host. On the first it plans trials as it does on a
single one; on the others it follows: for each trial it gets the specification
and where the trial's processes meet, and starts its own. What says where things
lie is each host's own, and so is the submission's source, whose hash has to be
the one that the first host has.
"""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
import json
import socket
import time
from typing import Any, TypeVar

from algoperf import hosts, records, spec

T = TypeVar('T')

_WAIT_SECONDS = 300.0  # For the other hosts' commands to be started.
_AGAIN_SECONDS = 0.5


class Leader:
  """The first host's side."""

  def __init__(self, host: hosts.Hosts, wait: float = _WAIT_SECONDS):
    """Waits until all others have connected.

    Raises:
      UsageError: the port is taken, or not all came in time.
    """
    self._host = host
    self._peers: list[socket.socket] = []
    try:
      with socket.create_server(('', host.port)) as listener:
        self._accept(listener, time.monotonic() + wait)
    except OSError as error:
      self.close()
      raise spec.UsageError(
        f'cannot gather {host.processes} processes at {host.coordinator} '
        f'({len(self._peers) + 1} came; {error}): start the same command on '
        'every host, each with a --process_index of its own.'
      ) from error

  def _accept(self, listener: socket.socket, deadline: float) -> None:
    indices = {self._host.index}
    while len(indices) < self._host.processes:
      listener.settimeout(max(0.01, deadline - time.monotonic()))
      peer, _ = listener.accept()
      self._peers.append(peer)
      peer.settimeout(_WAIT_SECONDS)
      greeting = _read(peer.makefile('rb'))
      index, processes = greeting['index'], greeting['processes']
      if processes != self._host.processes or index in indices:
        raise OSError(f'process {index} of {processes} came as well')
      indices.add(index)

  def announce(self, trial: records.TrialSpec) -> hosts.Hosts:
    """Sends a trial to the other hosts; where its processes meet.

    Raises:
      UsageError: another host refuses the trial, or has ended.
    """
    with socket.create_server(('', 0)) as free:
      port = free.getsockname()[1]
    coordinator = f'{self._host.address}:{port}'
    try:
      self._send(
        {'trial': dataclasses.asdict(trial), 'coordinator': coordinator}
      )
      answers = [_read(peer.makefile('rb')) for peer in self._peers]
    except OSError as error:
      raise spec.UsageError(
        f'another process has ended ({error}): start the command again on '
        'every host.'
      ) from error
    for answer in answers:
      if answer['refused']:
        raise spec.UsageError(f'on another host: {answer["refused"]}')
    return dataclasses.replace(self._host, coordinator=coordinator)

  def close(self) -> None:
    """Lets the other hosts go."""
    with contextlib.suppress(OSError):
      self._send({'trial': None})
    for peer in self._peers:
      peer.close()

  def _send(self, message: dict[str, Any]) -> None:
    for peer in self._peers:
      _write(peer, message)


class Follower:
  """The side of every other host."""

  def __init__(self, host: hosts.Hosts, wait: float = _WAIT_SECONDS):
    """Connects to the first host.

    Raises:
      UsageError: it cannot be reached in time.
    """
    self._host = host
    deadline = time.monotonic() + wait
    while True:
      try:
        self._peer = socket.create_connection((host.address, host.port), wait)
        break
      except OSError as error:
        if time.monotonic() > deadline:
          raise spec.UsageError(
            f'no process 0 at {host.coordinator} ({error}): start the same '
            'command there with --process_index=0.'
          ) from error
        time.sleep(_AGAIN_SECONDS)
    self._peer.settimeout(None)
    greeting = {'index': host.index, 'processes': host.processes}
    _write(self._peer, greeting)

  def trials(
    self, adapt: Callable[[records.TrialSpec], T]
  ) -> Iterator[tuple[T, hosts.Hosts]]:
    """The trials of the first host, and where their processes meet.

    Args:
      adapt: makes of the first host's trial what is yielded; what it raises of
        UsageErrors the first host is told.

    Raises:
      UsageError: from `adapt`, or because the first host has ended.
    """
    with self._peer, self._peer.makefile('rb') as lines:
      while True:
        try:
          message = _read(lines)
        except OSError as error:
          raise spec.UsageError(
            f'process 0 at {self._host.coordinator} has ended: start the '
            'command again on every host.'
          ) from error
        if message['trial'] is None:
          return
        try:
          own = adapt(records.TrialSpec(**message['trial']))
        except spec.UsageError as error:
          _write(self._peer, {'refused': str(error)})
          raise
        _write(self._peer, {'refused': None})
        meeting = message['coordinator']
        yield own, dataclasses.replace(self._host, coordinator=meeting)


def _write(peer: socket.socket, message: dict[str, Any]) -> None:
  peer.sendall(json.dumps(message).encode() + b'\n')


def _read(lines: Any) -> dict[str, Any]:
  """The next message."""
  line = lines.readline()
  if not line.endswith(b'\n'):
    raise ConnectionError('closed by the other side')
  try:
    return json.loads(line)
  except ValueError as error:
    raise ConnectionError('not one of these commands') from error
