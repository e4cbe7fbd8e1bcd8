"""Trials over two hosts that are killed and gone on with.

Two processes on one machine stand for the hosts, as in `test_devices`.
"""

from concurrent import futures
import dataclasses
import pathlib
import socket

import psutil
import pytest

from algoperf import hosts, records, supervisor
from tests.algoperf import test_chaos

chaos = test_chaos.chaos


class Pair:
  """One trial on two hosts."""

  def __init__(self, trial: records.TrialSpec, folder: pathlib.Path):
    self.trials = [
      dataclasses.replace(trial, directory=str(folder / name))
      for name in ('first', 'first/host_1')
    ]

  def run(self, on_event=lambda event: None) -> list[supervisor.Outcome]:
    with socket.create_server(('127.0.0.1', 0)) as free:
      coordinator = f'127.0.0.1:{free.getsockname()[1]}'
    with futures.ThreadPoolExecutor() as pool:
      return list(
        pool.map(
          lambda index: supervisor.run(
            self.trials[index],
            1000.0,
            on_event if index == 0 else lambda event: None,
            host=hosts.Hosts(coordinator=coordinator, processes=2, index=index),
          ),
          range(2),
        )
      )

  @property
  def recorded(self) -> list[dict]:
    return [
      records.read_trial(pathlib.Path(trial.directory)) for trial in self.trials
    ]


def _kill_at(count):
  """Kills every process at that evaluation."""
  seen = []

  def on_event(event):
    if 'results' in event:
      seen.append(event['step'])
      if len(seen) == count:
        for child in psutil.Process().children():
          child.kill()

  return on_event


@pytest.mark.long
def test_two_hosts_that_are_killed_end_as_two_that_are_not(chaos, tmp_path):
  alone = Pair(chaos.trial, tmp_path / 'alone')
  assert [one.status for one in alone.run()] == ['max_steps'] * 2

  killed = Pair(chaos.trial, tmp_path / 'killed')
  for count in (3, 1):
    outcomes = killed.run(_kill_at(count))
    assert all(one.from_outside for one in outcomes)
  assert [one.status for one in killed.run()] == ['max_steps'] * 2
  first, second = killed.recorded
  assert len(first['preemptions']) == len(second['preemptions']) == 2
  assert first['preemptions'][0]['step'] > 0
  for ours, theirs in zip(killed.trials, alone.trials, strict=True):
    test_chaos.script().compare(theirs, ours)
