"""What every submission keeps, and every template too.

Training lowers the loss; nothing is compiled after the second step; a state
that was saved as numpy goes on to the last bit; no two arrays share a buffer,
because buffers are donated.
"""

from collections.abc import Iterator
import os
import pathlib
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf import benchmark, scaffold, sources, spec, submission, tuning
from tests import toy
import workloads

_STEP_HINT = 60
_AGAIN = 10  # Steps that are made twice.
_SMALL = {
  'mnist_resnet': 160,  # Steps: batch statistics lag behind large rates.
  'numerals_wmt': 40,
  'shakespeare_lm': 40,
}
_NAMES = sources.names()
_TEMPLATES = [f'template {name}' for name in scaffold.TEMPLATES]


def _trainer(
  source: sources.Source, workload: spec.Workload, **options: Any
) -> toy.Trainer:
  point = None
  if source.search_space is not None:
    point = tuning.as_namedtuple(tuning.load(source.search_space, 1, seed=0)[0])
  return toy.Trainer(submission.load(source), point, workload, **options)


def _train(trainer: toy.Trainer, num_steps: int) -> None:
  """As a trial does, with an evaluation at the end."""
  trainer.train(num_steps)
  if trainer.submission.prepare_for_eval is not None:
    trainer.prepare_for_eval()


def _arrays(trainer: toy.Trainer) -> tuple:
  """What a checkpoint keeps."""
  return trainer.optimizer_state[0], trainer.params, trainer.model_state


def _assert_own_buffers(tree: object) -> None:
  leaves = [leaf for leaf in jax.tree.leaves(tree) if leaf.size]
  pointers = [leaf.unsafe_buffer_pointer() for leaf in leaves]
  assert len(set(pointers)) == len(pointers)


def _kinds(tree: object) -> list[tuple]:
  return [
    (leaf.shape, leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(tree)
  ]


@pytest.fixture
def source(request: pytest.FixtureRequest, tmp_path: pathlib.Path):
  kind, _, template = request.param.partition(' ')
  if template:
    scaffold.create('mine', tmp_path, template)
    return sources.locate(str(tmp_path / 'mine'))
  return sources.locate(kind)


@pytest.mark.parametrize('source', _NAMES + _TEMPLATES, indirect=True)
def test_on_the_toy(source: sources.Source, caplog: pytest.LogCaptureFixture):
  submission.check(source)
  assert sources.summary(source)
  workload = toy.Workload(goal=toy.goal(step_hint=_STEP_HINT))
  _check(_trainer(source, workload), _STEP_HINT, caplog)


@pytest.fixture(scope='module')
def compilation_cache(
  tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
  """A workload's initialization and evaluation are compiled once for all."""
  name, directory = 'jax_compilation_cache_dir', tmp_path_factory.mktemp('xla')
  before = getattr(jax.config, name)
  jax.config.update(name, str(directory))
  yield
  jax.config.update(name, before)


@pytest.mark.long
@pytest.mark.usefixtures('compilation_cache')
@pytest.mark.parametrize('source', _NAMES + _TEMPLATES, indirect=True)
@pytest.mark.parametrize('name', _SMALL)
def test_on_the_small_workloads(
  source: sources.Source,
  name: str,
  data_dir: str,
  caplog: pytest.LogCaptureFixture,
):
  goal = benchmark.load('mini').row(name).goal
  trainer = _trainer(
    source,
    workloads.get(name).with_goal(goal),
    batch_size=goal.batch_size,
    data_dir=data_dir,
  )
  _check(trainer, _SMALL[name], caplog)


def _check(
  trainer: toy.Trainer, num_steps: int, caplog: pytest.LogCaptureFixture
) -> None:
  """Trains two steps, then the rest, the last of them twice."""
  first = trainer.evaluate()['loss']
  _assert_own_buffers(_arrays(trainer))
  with jax.log_compiles():
    for _ in range(2):
      _train(trainer, 1)
    assert _compilations(caplog)
    kinds = _kinds(_arrays(trainer))
    caplog.clear()
    _train(trainer, num_steps - _AGAIN)
    assert not _compilations(caplog)
    saved = _saved(trainer)
    caplog.clear()
    _train(trainer, _AGAIN)
    assert not _compilations(caplog)
    uninterrupted = jax.device_get(_arrays(trainer))
    _restore(trainer, *saved)
    caplog.clear()
    _train(trainer, _AGAIN)
    assert not _compilations(caplog)
  jax.tree.map(np.testing.assert_array_equal, _arrays(trainer), uninterrupted)
  assert trainer.evaluate()['loss'] < first
  assert _kinds(_arrays(trainer)) == kinds
  _assert_own_buffers(trainer.optimizer_state[0])


def _compilations(caplog: pytest.LogCaptureFixture) -> list[str]:
  return [r.message for r in caplog.records if 'XLA compil' in r.message]


def _saved(trainer: toy.Trainer) -> tuple[tuple, dict, int]:
  return (
    jax.device_get(_arrays(trainer)),
    trainer.queue.get_state(),
    trainer.step,
  )


def _restore(
  trainer: toy.Trainer, arrays: tuple, queue: dict, step: int
) -> None:
  """Back to what was saved."""
  state, trainer.params, trainer.model_state = jax.tree.map(jnp.array, arrays)
  trainer.optimizer_state = (state, trainer.optimizer_state[1])
  trainer.queue.set_state(queue)
  trainer.step = step


_ON_TWO_DEVICES = """
import logging, sys
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from algoperf import sharding, sources, submission, tuning
from tests import toy
assert jax.device_count() == 2
messages = []
class Handler(logging.Handler):
  def emit(self, record):
    messages.append(record.getMessage())
logging.getLogger('jax').addHandler(Handler())
for name in sources.names():
  source = sources.locate(name)
  point = None
  if source.search_space is not None:
    (point,) = tuning.load(source.search_space, 1, seed=0)
    point = tuning.as_namedtuple(point)
  trainer = toy.Trainer(
    submission.load(source), point, place=sharding.replicate,
    place_batch=lambda batch: batch)
  queue = trainer.queue
  trainer.queue = (sharding.place_batch(batch, 16) for batch in queue)
  with jax.log_compiles():
    for step in range(30):
      if step == 2:
        assert any('XLA compil' in message for message in messages)
        messages.clear()
      trainer.train(1)
      if trainer.submission.prepare_for_eval and step in (0, 1, 10):
        trainer.prepare_for_eval()
  compiled = [m for m in messages if 'XLA compil' in m]
  assert not compiled, (name, compiled)
  state = trainer.optimizer_state[0], trainer.params, trainer.model_state
  for leaf in jax.tree.leaves(state):
    assert leaf.sharding.is_fully_replicated, name
    assert np.isfinite(leaf).all(), name
  print(name)
"""


@pytest.mark.long
def test_on_two_devices():
  """Nothing is compiled after the second step, and state stays replicated."""
  done = subprocess.run(
    [sys.executable, '-c', _ON_TWO_DEVICES],
    check=True,
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parents[2],
    env=os.environ
    | {
      'JAX_PLATFORMS': 'cpu',
      'XLA_FLAGS': '--xla_force_host_platform_device_count=2',
    },
  )
  assert done.stdout.split() == _NAMES
