"""Submissions as they are written for AlgoPerf, 0.5 and 0.6, unchanged."""

import collections
import csv
import inspect
import json
import os
import pathlib
import subprocess
import sys
import threading
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from algoperf import (
  cli,
  device_axis,
  jax_sharding_utils,
  older_api,
  records,
  sharding,
  source_tree,
  sources,
  spec,
  views,
)
from algoperf import scalars as scalars_lib
from tests import toy
from tests.algoperf import style_steps

_SMALL = {'mnist_resnet': 128, 'numerals_wmt': 64, 'shakespeare_lm': 16}


@pytest.mark.parametrize('style', style_steps.PATHS)
def test_a_style_trains(style):
  before, after = style_steps.losses(style)
  assert after < before - 0.05


def test_two_devices_train_as_one(tmp_path):
  """Except that pmap takes the mean of batch statistics, here of equal parts.

  Differences are of the order of additions: float32.
  """
  flags = (
    '--xla_force_host_platform_device_count=2 '
    '--xla_backend_optimization_level=0'  # Compiles in half the time.
  )
  program = [sys.executable, '-m', style_steps.__name__, f'{tmp_path}/losses']
  subprocess.run(
    program,
    cwd=pathlib.Path(__file__).parents[2],
    env=os.environ | {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': flags},
    check=True,
  )
  found = json.loads((tmp_path / 'losses').read_text())
  assert found.keys() == style_steps.PATHS.keys()
  for style, losses in found.items():
    expected = style_steps.losses(style)
    np.testing.assert_allclose(losses, expected, rtol=1e-4, err_msg=style)


@pytest.mark.parametrize('style', ['jit_06', 'pmap_05', 'averaging'])
def test_a_step_is_compiled_once(style):
  compiled = []
  jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compiled.append(event)
  )
  trainer = style_steps.Trainer(style)
  trainer.train(1)
  assert any('backend_compile' in event for event in compiled)
  compiled.clear()
  trainer.train(3)
  assert not any('backend_compile' in event for event in compiled)


def test_names_of_submissions_are_those_of_their_algorithms():
  found = {
    style: sources.locate(str(style_steps.STYLES / path))
    for style, path in style_steps.PATHS.items()
  }
  assert all(style == source.name for style, source in found.items())
  assert found['momentum'].search_space.parent.name == 'momentum'
  assert found['self_tuning'].search_space is None


def test_batches_and_parameters_have_an_axis_of_devices():
  """As AlgoPerf 0.5 gave them, here for its one device."""
  trainer = style_steps.Trainer('pmap_05')
  batch = next(trainer.queue)
  assert batch['inputs'].shape == (1, 16, toy.NUM_INPUTS)
  fresh = toy.Workload()
  flat, _ = fresh.init_model_fn(np.array([0, 42], np.uint32))
  for ours, leaf in zip(
    jax.tree.leaves(trainer.params), jax.tree.leaves(flat), strict=True
  ):
    assert ours.shape == (1, *leaf.shape)
  assert trainer.workload.param_shapes == fresh.param_shapes


def test_pmap_gets_the_dropout_of_the_hyperparameters():
  """Which AlgoPerf 0.5 gave to the model itself."""
  workload = toy.Workload()
  params, state = workload.init_model_fn(np.array([0, 42], np.uint32))
  batch = toy.examples('train')

  def logits(view: spec.Workload, **kwargs: float) -> np.ndarray:
    key, train = jax.random.key(3), spec.ForwardPassMode.TRAIN
    return view.model_fn(params, batch, state, train, key, True, **kwargs)[0]

  point = style_steps.point(sources.locate(str(style_steps.STYLES / 'pmap_05')))
  view = device_axis.view(workload, point._replace(dropout_rate=0.5))
  expected = logits(workload, dropout_rate=0.5)
  assert np.array_equal(logits(view), expected)
  assert not np.array_equal(logits(view, dropout_rate=0.0), expected)
  assert np.array_equal(
    logits(device_axis.view(workload, None)), logits(workload)
  )
  view.init_model_fn(np.array([0, 1], np.uint32), 0.0, aux_dropout_rate=0.5)
  assert np.array_equal(logits(view), logits(workload))


def test_evaluation_takes_the_first_device_and_mean_statistics():
  def evaluate(params: object, model_state: object, rng: object) -> object:
    return jax.device_get((params, model_state, rng))

  params = {'w': jnp.array([[1.0, 2.0], [5.0, 6.0]])}
  state = {'mean': jnp.array([[1.0], [3.0]])}
  call = device_axis.without_axis(evaluate)
  ours, statistics, rng = call(params, state, np.zeros(2))
  assert ours['w'].tolist() == [1.0, 2.0]
  assert statistics['mean'].tolist() == [2.0]
  assert rng.tolist() == [0, 0]
  assert call(params, None, 0)[1] is None


def test_a_loss_with_dropout_is_the_loss():
  view = views.with_loss_dropout(toy.Workload(), None)
  targets, logits = jnp.array([0, 1]), jnp.array([[1.0, 0.0], [0.5, 0.0]])
  loss = view.loss_fn(targets, logits, dropout_rate=0.1, label_smoothing=0.2)
  expected = toy.Workload().loss_fn(targets, logits, label_smoothing=0.2)
  assert loss['summed'] == expected['summed']
  with pytest.raises(TypeError):
    toy.Workload().loss_fn(targets, logits, dropout_rate=0.1)


def test_the_train_state_is_a_mapping_and_an_object():
  state = views.Attributes({'is_time_remaining': True, 'last_eval_time': 3.0})
  assert (
    dict(**state)
    == dict(state)
    == {
      'is_time_remaining': True,
      'last_eval_time': 3.0,
    }
  )
  assert state.last_eval_time == state['last_eval_time'] == 3.0
  assert state.get('nothing') is None
  assert not hasattr(state, 'nothing')
  with pytest.raises(TypeError):
    state['last_eval_time'] = 0.0


# Older names.


@pytest.mark.parametrize(
  ('source', 'result'),
  [
    ('import jax\nx = jax.tree_map(lambda y: y + 1, {"a": 1})["a"]', 2),
    ('from jax import tree_leaves\nx = tree_leaves([1, 2])[1]', 2),
    ('import jax.numpy as jnp\nx = jnp.clip(jnp.ones(()), a_max=0.5)', 0.5),
    ('import jax.numpy as jnp\nx = jnp.clip(0.0, a_min=1, a_max=2)', 1),
    ('from jax.config import config\nx = config.jax_enable_x64', False),
    (
      'from jax.lib import xla_bridge as b\nx = b.get_backend().platform',
      'cpu',
    ),
    ('from jax.random import KeyArray as x', jax.Array),
    ('import jax\nx = jax.random.KeyArray', jax.Array),
    (
      'import jax\nx = jax.device_put_replicated(3.0, jax.devices()).shape[0]',
      1,
    ),
    ('import jax\nx = jax.device_put_sharded([3.0], jax.devices())[0]', 3),
    (
      'from optax._src.transform import update_moment as m\nx = m(2, 1, 0, 2)',
      4,
    ),
    ('from algorithmic_efficiency import spec\nx = spec.LossType(3).value', 3),
    ('import algorithmic_efficiency.spec as s\nx = s.LossType(3).value', 3),
    ('from jax.experimental import maps\nx = maps.Mesh', jax.sharding.Mesh),
    ('from jax.experimental.maps import Mesh as x', jax.sharding.Mesh),
    ('import jax\nx = jax.tree_util.tree_multimap(max, [1], [2])[0]', 2),
    ('from optax._src import clipping\nx = clipping.clip', optax.clip),
    ('import numpy as np\nx = np.float', float),
  ],
)
def test_successors_stand_in_for_names_that_are_gone(
  tmp_path, monkeypatch, source, result
):
  for name in [name for name in sys.modules if 'algorithmic_eff' in name]:
    monkeypatch.delitem(sys.modules, name)
  path = tmp_path / 'submission.py'
  path.write_text(source)
  notes = older_api.adapt(source_tree.read(path))
  scope = {}
  exec(source, scope)
  assert scope['x'] == result
  # Of those that stand in already, since another test, there are no notes.
  assert all(note.successor is not None for note in notes)


_MESH = """
import jax
from jax.sharding import AxisType
def mesh(): return jax.make_mesh((1,), ('batch',){})
"""


@pytest.mark.parametrize(
  ('source', 'kind'),
  [
    (_MESH.replace('import AxisType', 'import Mesh').format(''), 'Auto'),
    (_MESH.format(', axis_types=(AxisType.Explicit,)'), 'Explicit'),
    (_MESH.format('') + 'jax.typeof(1)', 'Explicit'),
  ],
)
def test_meshes_are_as_they_were_unless_source_knows_of_others(
  tmp_path, monkeypatch, source, kind
):
  # As it is where no older submission has been loaded.
  monkeypatch.setattr(jax, 'make_mesh', inspect.unwrap(jax.make_mesh))
  path = tmp_path / 'submission.py'
  path.write_text(source)
  notes = [str(note) for note in older_api.adapt(source_tree.read(path))]
  scope = {}
  exec(source, scope)
  assert scope['mesh']().axis_types == (jax.sharding.AxisType[kind],)
  said = f'{path}:4: jax.make_mesh makes Explicit axes by now: one of Auto axes'
  assert notes == ([f'{said} stands in'] if kind == 'Auto' else [])


def test_every_successor_exists():
  for gone, successor in older_api.SUCCESSORS.items():
    assert older_api.resolve(successor) is not None, gone


def test_what_has_no_successor_is_named(tmp_path):
  path = tmp_path / 'submission.py'
  path.write_text(
    'import jax, optax\nfrom algoperf import spec\n'
    'def f(optax):\n  jax.no_such_thing.nor_this\n'
    '  return spec.NoSuchType, jax.jit.anything, jax.numpy.pi.real\n'
  )
  notes = older_api.adapt(source_tree.read(path))
  assert [(note.use.name, note.successor) for note in notes] == [
    ('jax.no_such_thing', None),
    ('algoperf.spec.NoSuchType', None),
  ]
  assert str(notes[0]) == (
    f'{path}:4: jax.no_such_thing is gone: nothing stands in for it'
  )


# What the harness offers by AlgoPerf's names.


def test_only_pairs_of_state_and_function_are_settled():
  pair = (jnp.zeros(2), len)
  settled, function = sharding.settle(pair)
  assert settled.sharding == sharding.replicated()
  assert function is len
  committed = jax.device_put(jnp.zeros(2), jax.devices()[0])
  assert sharding.settle((committed, len))[0] is committed
  named = collections.namedtuple('State', 'opt update')(*pair)
  for state in (named, {'opt': pair[0]}, None, (), (1, 2, 3)):
    assert sharding.settle(state) is state


def test_shardings_by_algoperfs_names():
  mesh = jax_sharding_utils.get_mesh()
  assert jax_sharding_utils.get_replicate_sharding().is_fully_replicated
  divided = jax_sharding_utils.get_batch_dim_sharding(mesh)
  assert divided.spec == jax.P('batch')
  placed = jax_sharding_utils.shard_along_batch_dim({'x': np.ones((4, 2))})
  assert placed['x'].sharding == divided
  placed = jax_sharding_utils.replicate({'x': np.ones((4, 2))})
  assert placed['x'].sharding == jax_sharding_utils.get_replicate_sharding(mesh)
  same = jax.make_mesh((1,), ('other',))
  assert jax_sharding_utils.get_batch_dim_sharding(same) == divided
  other = types.SimpleNamespace(devices=np.array(['elsewhere']))
  with pytest.raises(ValueError, match='other devices'):
    jax_sharding_utils.get_replicate_sharding(other)


@pytest.mark.parametrize(
  ('loss_type', 'expected'),
  [
    ('SOFTMAX_CROSS_ENTROPY', [0.75, 0.25]),
    ('CTC_LOSS', [0.75, 0.25]),
    ('SIGMOID_CROSS_ENTROPY', [0.75, 0.5]),
    ('MEAN_SQUARED_ERROR', [1.0986123, 0.0]),
    ('MEAN_ABSOLUTE_ERROR', [1.0986123, 0.0]),
  ],
)
def test_output_activation(loss_type, expected):
  workload = toy.Workload(loss_type=spec.LossType[loss_type])
  logits = jnp.array([np.log(3.0), 0.0])
  found = workload.output_activation_fn(logits, 'jax')
  np.testing.assert_allclose(found, expected, rtol=1e-6)
  with pytest.raises(ValueError, match='pytorch'):
    workload.output_activation_fn(logits, 'pytorch')


def test_scalars_may_be_donated_after_they_were_logged():
  scalars = scalars_lib.ScalarBuffer()
  double = jax.jit(lambda x: 2 * x, donate_argnums=0)
  loss = jnp.array([1.0, 3.0])  # Of two devices.
  metrics = {'loss': loss, 'lr': 0.5}
  scalars.append_scalar_metrics(metrics, 100, preemption_count=0, is_eval=True)
  metrics['lr'] = 7.0
  double(loss)
  assert loss.is_deleted()
  assert scalars.drain() == [{'global_step': 100, 'loss': 2.0, 'lr': 0.5}]
  assert scalars.drain() == []


def test_scalars_may_come_from_several_threads():
  scalars, rows = scalars_lib.ScalarBuffer(), []
  threads = [
    threading.Thread(
      target=lambda: [
        scalars.append_scalar_metrics({'x': i}, i) for i in range(500)
      ]
    )
    for _ in range(4)
  ]
  for thread in threads:
    thread.start()
  while any(thread.is_alive() for thread in threads):
    rows += scalars.drain()
  assert len(rows + scalars.drain()) == 2000


# `algoperf check`, and whole trials.


@pytest.mark.parametrize(
  ('style', 'said'),
  [
    ('pmap_05', ["0.5's pmap", 'jax.tree_map is gone']),
    ('momentum', ['loss_fn has no dropout_rate', 'rates.py']),
    ('self_tuning', ['search space: none']),
  ],
)
def test_check_says_what_it_finds(style, said, capsys):
  path = str(style_steps.STYLES / style_steps.PATHS[style])
  # In a process of its own nothing stands in yet.
  older_api.resolve('jax').__dict__.pop('tree_map', None)
  assert cli.main(['check', path, '--no_dry_run']) == 0
  output = capsys.readouterr().out
  for words in said:
    assert words in output


@pytest.mark.parametrize(
  ('text', 'status', 'said'),
  [
    ('import jax\ndef f(): jax.nothing', 1, 'jax.nothing is gone'),
    ('import nowhere_at_all', 2, 'pip install nowhere_at_all'),
  ],
)
def test_check_says_what_is_wrong(text, status, said, tmp_path, capsys):
  path = tmp_path / 'mine.py'
  path.write_text(f'{text}\ndef optimizer(hyperparameters, step_hint): ...\n')
  assert cli.main(['check', str(path), '--no_dry_run']) == status
  printed = capsys.readouterr()
  assert said in printed.out + printed.err


def _run(
  style: str, workload: str, steps: int, data_dir: str, tmp_path: pathlib.Path
) -> list[dict[str, str]]:
  """The evaluations of a trial."""
  ruleset = 'self' if style == 'self_tuning' else 'external'
  status = cli.main(
    [
      'run',
      f'--workload={workload}',
      f'--submission={style_steps.STYLES / style_steps.PATHS[style]}',
      f'--ruleset={ruleset}',
      f'--experiment_dir={tmp_path}',
      f'--data_dir={data_dir}',
      f'--max_steps={steps}',
      '--seed=0',
    ]
  )
  directory = records.trial_directory(tmp_path / style, 1, workload, 1)
  log = directory / records.LOG_FILE
  assert status == 0, log.read_text()
  with open(directory / records.EVALUATIONS_FILE, newline='') as file:
    return list(csv.DictReader(file))


@pytest.mark.long
@pytest.mark.parametrize('workload', _SMALL)
@pytest.mark.parametrize('style', style_steps.PATHS)
def test_every_style_lowers_the_loss(style, workload, data_dir, tmp_path):
  rows = _run(style, workload, 60, data_dir, tmp_path)
  losses = [float(row['validation/loss']) for row in rows]
  assert losses[-1] < losses[0] - 0.1
  directory = records.trial_directory(tmp_path / style, 1, workload, 1)
  budget = records.read_trial(directory)['budget']
  assert budget == (150.0 if style == 'self_tuning' else 100.0)
  log = (directory / records.LOG_FILE).read_text()
  old = style in ('pmap_05', 'preconditioned')
  assert ('jax.tree_map is gone' in log) == old
  assert f"batches are the definition's, of {_SMALL[workload]}" in log
