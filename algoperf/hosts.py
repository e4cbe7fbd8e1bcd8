"""Several processes, one for each host, that train as one.

All run the same program on the same values. What they cannot know alike, what
time it is and whether somebody interrupts, the first tells the others.
"""

from collections.abc import Callable, Iterable
import dataclasses
import secrets
import socket
import struct
from typing import Any

from algoperf import spec

_MESSAGE = struct.Struct('!d')
_TOKEN_BYTES = 16
_STEPS = 4
_CONNECT_SECONDS = 60.0
_LEAVE_SECONDS = 30  # For the others to end as well.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hosts:
  """Which process of a run over several hosts this one is.

  Attributes:
    coordinator: 'address:port' of the first host, as the others reach it; the
      port is free there.
    processes: how many there are, one a host.
    index: of this one, from 0.
  """

  coordinator: str
  processes: int
  index: int

  def __post_init__(self) -> None:
    address, _, port = self.coordinator.rpartition(':')
    if not address or not port.isdecimal():
      raise spec.UsageError(
        f'the coordinator {self.coordinator!r} is not address:port; give the '
        'first host and a free port of it, e.g. 10.0.0.1:7000.'
      )
    if not 0 <= self.index < self.processes:
      raise spec.UsageError(
        f'process index {self.index} is not between 0 and '
        f'{self.processes - 1}, as there are {self.processes} processes.'
      )

  @property
  def address(self) -> str:
    """The first host."""
    return self.coordinator.rpartition(':')[0]

  @property
  def port(self) -> int:
    return int(self.coordinator.rpartition(':')[2])


def join(hosts: Hosts, timeout: int = 300) -> 'Channel':
  """Makes the devices of all processes visible in each of them.

  To be called in every process, before anything else that uses devices.

  Args:
    hosts: the settings of this process.
    timeout: seconds to wait for the others.

  Raises:
    RuntimeError: the others did not come in time.
  """
  import jax  # The parents of these processes do without it.

  jax.distributed.initialize(
    hosts.coordinator,
    hosts.processes,
    hosts.index,
    initialization_timeout=timeout,
    shutdown_timeout_seconds=_LEAVE_SECONDS,
  )
  return Channel(hosts)


def same_everywhere(tree: Any) -> Any:
  """The first process's arrays, in all processes, as numpy arrays."""
  from jax.experimental import multihost_utils

  return multihost_utils.broadcast_one_to_all(tree)


def common(steps: Iterable[int]) -> set[int]:
  """Those of a few steps that every process has; at most four each."""
  from jax.experimental import multihost_utils
  import numpy as np

  own = set(steps)
  padded = np.full(_STEPS, -1, np.int64)
  padded[: len(own)] = sorted(own)
  everywhere = multihost_utils.process_allgather(padded)
  return own.intersection(*(row.tolist() for row in np.asarray(everywhere)))


class Channel:
  """Numbers that the first process decides on for all.

  `agree` is called in every process equally often and in the same order. It
  costs the first one a few microseconds and never waits there, so that steps
  are dispatched as asynchronously as on a single host; JAX's own broadcasts
  would wait for the devices.
  """

  def __init__(self, hosts: Hosts):
    """Connects all processes, which have joined; `join` does it."""
    import numpy as np

    self._first = hosts.index == 0
    port, token = 0, b''
    if self._first:
      listener = socket.create_server(('', 0), backlog=hosts.processes)
      port, token = listener.getsockname()[1], secrets.token_bytes(_TOKEN_BYTES)
    message = np.zeros(2 + _TOKEN_BYTES, np.uint8)
    if self._first:
      message[:] = [port // 256, port % 256, *token]
    message = np.asarray(same_everywhere(message))
    port, token = int(message[0]) * 256 + int(message[1]), message[2:].tobytes()
    if self._first:
      with listener:
        self._peers = _accept(listener, token, hosts.processes - 1)
    else:
      peer = socket.create_connection((hosts.address, port), _CONNECT_SECONDS)
      peer.sendall(token)
      peer.settimeout(None)
      self._peers = [peer]
    for peer in self._peers:
      peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

  def agree(self, value: float) -> float:
    """The first process's value.

    Raises:
      ConnectionError: another process has ended; from then on every process is
        alone, and each value its own.
    """
    try:
      for peer in self._peers:
        if self._first:
          peer.sendall(_MESSAGE.pack(value))
        else:
          value = _MESSAGE.unpack(_receive(peer, _MESSAGE.size))[0]
    except OSError as error:
      self.close()
      raise ConnectionError('another process of this run has ended') from error
    return value

  def shared(self, function: Callable[[], float]) -> Callable[[], float]:
    """The function, whose results are the first process's everywhere."""
    return lambda: self.agree(function())

  def close(self) -> None:
    for peer in self._peers:
      peer.close()
    self._peers = []


def _accept(
  listener: socket.socket, token: bytes, count: int
) -> list[socket.socket]:
  """Connections of those who know the token."""
  listener.settimeout(_CONNECT_SECONDS)
  peers = []
  while len(peers) < count:
    peer, _ = listener.accept()
    peer.settimeout(_CONNECT_SECONDS)
    if secrets.compare_digest(_receive(peer, len(token)), token):
      peer.settimeout(None)
      peers.append(peer)
    else:
      peer.close()
  return peers


def _receive(peer: socket.socket, size: int) -> bytes:
  received = b''
  while len(received) < size:
    part = peer.recv(size - len(received))
    if not part:
      raise ConnectionError('closed by the other side')
    received += part
  return received
