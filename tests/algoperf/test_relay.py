"""What the first of several hosts tells the others."""

from concurrent import futures
import contextlib
import socket

import pytest

from algoperf import hosts, records, relay, spec

TRIAL = records.TrialSpec(
  workload='mnist_resnet',
  submission='sgd',
  submission_path='/first/sgd.py',
  submission_digest='ab12',
  benchmark='mini',
  benchmark_digest='cd34',
  ruleset='external',
  study=1,
  trial=2,
  seed=3,
  hyperparameters={'learning_rate': 0.1},
  max_steps=None,
  data_dir='/first/data',
  directory='/first/trial_2',
)


def _hosts(count):
  with socket.create_server(('127.0.0.1', 0)) as free:
    coordinator = f'127.0.0.1:{free.getsockname()[1]}'
  return [
    hosts.Hosts(coordinator=coordinator, processes=count, index=index)
    for index in range(count)
  ]


def _same(trial):
  return trial


def _lead(host, trials):
  with contextlib.closing(relay.Leader(host, wait=20)) as leader:
    return [leader.announce(trial) for trial in trials]


def test_followers_get_each_trial_and_where_to_meet():
  first, *others = _hosts(3)
  with futures.ThreadPoolExecutor(3) as pool:
    led = pool.submit(_lead, first, [TRIAL, TRIAL])
    followed = [
      pool.submit(
        lambda h: list(relay.Follower(h, wait=20).trials(_same)), host
      )
      for host in others
    ]
    own = led.result()
    for host, trials in zip(others, followed, strict=True):
      found = trials.result()
      assert [trial for trial, _ in found] == [TRIAL, TRIAL]
      assert [place.coordinator for _, place in found] == [
        place.coordinator for place in own
      ]
      assert {place.index for _, place in found} == {host.index}
  assert {place.coordinator for place in own}.isdisjoint({first.coordinator})


def test_a_leader_that_dies_is_one_line():
  first, second = _hosts(2)

  def die():
    leader = relay.Leader(first, wait=20)
    for peer in leader._peers:
      peer.close()

  with futures.ThreadPoolExecutor(1) as pool:
    pool.submit(die)
    with pytest.raises(spec.UsageError, match='has ended'):
      list(relay.Follower(second, wait=20).trials(_same))


def test_a_follower_that_refuses_is_heard():
  first, second = _hosts(2)

  def refuse(trial):
    raise spec.UsageError(f'no {trial.workload} here')

  with futures.ThreadPoolExecutor(1) as pool:
    led = pool.submit(_lead, first, [TRIAL])
    with pytest.raises(spec.UsageError, match='no mnist_resnet here'):
      list(relay.Follower(second, wait=20).trials(refuse))
    with pytest.raises(spec.UsageError, match='another host: no mnist_resnet'):
      led.result()


def test_a_follower_that_dies_is_one_line():
  first, second = _hosts(2)
  with futures.ThreadPoolExecutor(1) as pool:
    led = pool.submit(_lead, first, [TRIAL])
    relay.Follower(second, wait=20)._peer.close()
    with pytest.raises(spec.UsageError, match='another process has ended'):
      led.result()


def test_hosts_that_do_not_come_are_one_line():
  first, second = _hosts(2)
  with pytest.raises(spec.UsageError, match='1 came'):
    relay.Leader(first, wait=0.1)
  with pytest.raises(spec.UsageError, match='--process_index=0'):
    relay.Follower(second, wait=0)


def test_two_processes_of_one_index_are_refused():
  first, second, _ = _hosts(3)
  with futures.ThreadPoolExecutor(1) as pool:
    led = pool.submit(relay.Leader, first, 20)
    followers = [relay.Follower(second, wait=20) for _ in range(2)]
    with pytest.raises(spec.UsageError, match='process 1 of 3 came as well'):
      led.result()
  assert len(followers) == 2
