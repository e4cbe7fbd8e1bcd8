import collections
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf import sources, spec, submission
from tests import toy

_KEY = np.array([0, 42], np.uint32)
_SGD = """
import optax
def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)
"""
_AVERAGED = """
import jax, optax
def optimizer(hyperparameters, step_hint):
  return optax.chain(optax.sgd(0.1), average())
def average():
  def update(updates, state, params):
    new = optax.apply_updates(params, updates)
    return updates, jax.tree.map(lambda a, b: (a + b) / 2, state, new)
  return optax.GradientTransformation(lambda params: params, update)
def eval_params(opt_state, params):
  return opt_state[1]
"""


@pytest.fixture
def load(tmp_path):
  def load(text: str) -> submission.Submission:
    path = tmp_path / 'mine.py'
    path.write_text(text)
    return submission.load(sources.locate(str(path)))

  return load


def _point(**values: object) -> spec.Hyperparameters:
  return collections.namedtuple('Hyperparameters', values)(**values)


def _softmax(logits: np.ndarray) -> np.ndarray:
  powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
  return powers / powers.sum(axis=-1, keepdims=True)


def _numpy_gradient(
  params: dict, batch: spec.Batch, label_smoothing: float = 0.0
) -> dict:
  """Gradient of the toy's mean softmax loss, by hand, in float64."""
  body, head, bias = (
    np.asarray(leaf, np.float64)
    for leaf in (
      params['body']['kernel'],
      params['head']['kernel'],
      params['head']['bias'],
    )
  )
  inputs_BxI = batch['inputs'].astype(np.float64)
  targets_BxC = np.eye(2)[batch['targets']]
  targets_BxC = (1 - label_smoothing) * targets_BxC + label_smoothing / 2
  weights_B = batch.get('weights', np.ones(len(inputs_BxI)))
  hidden_BxH = inputs_BxI @ body
  error_BxC = _softmax(hidden_BxH @ head + bias) - targets_BxC
  error_BxC *= weights_B[:, None] / weights_B.sum()
  return {
    'body': {'kernel': inputs_BxI.T @ error_BxC @ head.T},
    'head': {'kernel': hidden_BxH.T @ error_BxC, 'bias': error_BxC.sum(axis=0)},
  }


def _norm(tree: dict) -> float:
  return np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(tree)))


def _assert_close(tree: dict, expected: dict, **tolerance: float) -> None:
  tolerance = {'rtol': 1e-5, 'atol': 1e-6} | tolerance  # float32 sums of 16.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, **tolerance), tree, expected
  )


@pytest.mark.parametrize(
  ('values', 'label_smoothing', 'clip'),
  [
    ({}, 0.0, None),
    ({'label_smoothing': 0.3}, 0.3, None),
    ({'grad_clip': 0.01}, 0.0, 0.01),
    ({'grad_clip': 100.0}, 0.0, 100.0),
    ({'dropout_rate': 0.0}, 0.0, None),
  ],
)
def test_one_step_is_the_gradient_by_hand(load, values, label_smoothing, clip):
  trainer = toy.Trainer(load(_SGD), _point(**values))
  before = jax.device_get(trainer.params)
  batch = next(toy.Batches(_KEY, 16))
  expected = _numpy_gradient(before, batch, label_smoothing)
  norm = _norm(expected)
  scale = 1.0 if clip is None else min(1.0, clip / (norm + 1e-6))
  trainer.train(1)
  _assert_close(
    trainer.params,
    jax.tree.map(lambda p, g: p - 0.1 * scale * g, before, expected),
  )
  ((step, row),) = trainer.log.rows
  assert step == 0
  assert set(row) == ({'loss'} if clip is None else {'loss', 'grad_norm'})
  if clip is not None:
    assert float(row['grad_norm']) == pytest.approx(norm, rel=1e-5)


def test_examples_of_weight_zero_do_not_count(load):
  weights_B = np.array([1.0] * 5 + [0.0] * 11, np.float32)
  trainer = toy.Trainer(
    load(_SGD), None, place_batch=lambda batch: batch | {'weights': weights_B}
  )
  before = jax.device_get(trainer.params)
  batch = {k: v[:5] for k, v in next(toy.Batches(_KEY, 16)).items()}
  trainer.train(1)
  gradient = _numpy_gradient(before, batch)
  _assert_close(
    trainer.params, jax.tree.map(lambda p, g: p - 0.1 * g, before, gradient)
  )


def test_dropout_rate_and_model_state_reach_the_model(load):
  still = toy.Trainer(load(_SGD), None)
  dropped = toy.Trainer(load(_SGD), _point(dropout_rate=0.5))
  for trainer in (still, dropped):
    trainer.train(1)
  assert np.abs(still.params['body']['kernel']).sum() != pytest.approx(
    np.abs(dropped.params['body']['kernel']).sum()
  )
  mean_I = next(toy.Batches(_KEY, 16))['inputs'].mean(axis=0)
  _assert_close(still.model_state['mean'], 0.1 * mean_I)


def test_defaults(load):
  loaded = load(_SGD)
  size = submission.batch_size(loaded, 'toy', 'toy', 16)
  assert size == (16, "batches are the definition's, of 16")
  assert loaded.prepare_for_eval is None
  assert not loaded.takes_train_state


def test_own_batch_size_and_data_selection(load):
  loaded = load(
    _SGD
    + 'def get_batch_size(workload_name): return 4\n'
    + 'def data_selection(workload, input_queue, *rest):\n'
    + '  next(input_queue)\n'
    + '  return next(input_queue)\n'
  )
  assert loaded.get_batch_size('toy') == 4
  trainer = toy.Trainer(loaded, None)
  trainer.train(2)
  assert trainer.queue.get_state() == {'index': 4}


@pytest.mark.parametrize(
  'parameters', ['', 'hyperparameters', 'a, b, c', 'a, b, c, param_types']
)
def test_an_optimizer_with_other_arguments_is_refused(load, parameters):
  with pytest.raises(spec.UsageError, match=r'\(hyperparameters, step_hint\)'):
    load(f'def optimizer({parameters}): ...')


def test_the_optimizer_gets_hyperparameters_and_step_hint(load):
  trainer = toy.Trainer(
    load(_SGD.replace('0.1', 'hyperparameters.lr * step_hint')),
    _point(lr=0.001),
    toy.Workload(goal=toy.goal(step_hint=200)),
  )
  before = jax.device_get(trainer.params)
  gradient = _numpy_gradient(before, next(toy.Batches(_KEY, 16)))
  trainer.train(1)
  _assert_close(
    trainer.params, jax.tree.map(lambda p, g: p - 0.2 * g, before, gradient)
  )


@pytest.mark.parametrize(
  'signature',
  ['hyperparameters, step_hint, param_types', 'h, s, *, param_types=None'],
)
def test_the_optimizer_gets_types_if_it_asks(load, signature):
  """Frozen is what is a bias, found under the parameters' own keys."""
  loaded = load(f"""
import jax, optax
from algoperf import spec
def optimizer({signature}):
  labels = jax.tree.map(lambda t: t.name, param_types)
  return optax.partition(
    {{'WEIGHT': optax.sgd(0.1), 'BIAS': optax.set_to_zero()}}, labels)
""")
  trainer = toy.Trainer(loaded, None, _CapitalToy())
  before = jax.device_get(trainer.params)
  trainer.train(1)
  after = trainer.params['HEAD']
  np.testing.assert_array_equal(after['bias'], before['HEAD']['bias'])
  assert np.abs(after['kernel'] - before['HEAD']['kernel']).min() > 0


class _CapitalToy(toy.Workload):
  """The toy with a capital key, which is in lower case among the types."""

  def init_model_fn(self, rng):
    params, model_state = super().init_model_fn(rng)
    return {'body': params['body'], 'HEAD': params['head']}, model_state

  def model_fn(self, params, *rest, **options):
    params = {'body': params['body'], 'head': params['HEAD']}
    return super().model_fn(params, *rest, **options)


@pytest.mark.parametrize(
  'loss_type',
  [spec.LossType.SOFTMAX_CROSS_ENTROPY, spec.LossType.MEAN_SQUARED_ERROR],
)
def test_training_reaches_the_toys_target_and_compiles_once(load, loss_type):
  trainer = toy.Trainer(load(_SGD), None, toy.Workload(loss_type))
  trainer.train(201)
  assert trainer.evaluate()['accuracy'] >= toy.goal().validation_target
  steps, _ = zip(*trainer.log.rows, strict=True)
  assert steps == (0, 100, 200)
  assert trainer.losses()[-1] < trainer.losses()[0] / 2
  state, functions = trainer.optimizer_state
  assert functions.step._cache_size() == 1
  assert state.training_params is None


def test_a_step_donates_what_it_replaces(load):
  trainer = toy.Trainer(load(_SGD.replace('(0.1', '(0.1, momentum=0.9')), None)
  trainer.train(1)
  old = jax.tree.leaves(
    (trainer.params, trainer.model_state, trainer.optimizer_state[0])
  )
  trainer.train(1)
  # Scalars may be kept where the compiler finds no result of their kind.
  assert all(leaf.is_deleted() for leaf in old if leaf.ndim)


def test_extra_arguments_reach_the_transformation(load):
  """A transformation that checks them against each other, and uses all."""
  trainer = toy.Trainer(
    load("""
import jax, jax.numpy as jnp, optax
def optimizer(hyperparameters, step_hint):
  def init(params):
    return jnp.zeros(3)
  def update(updates, state, params=None, *, value, grad, value_fn, **extra):
    slope = optax.tree.vdot(grad, grad)
    shifted = jax.tree.map(lambda p, g: p - 1e-3 * g, params, grad)
    seen = jnp.stack([value_fn(params) - value,
                      (value - value_fn(shifted)) / 1e-3, slope])
    return updates, seen
  return optax.chain(
    optax.sgd(0.1), optax.GradientTransformationExtraArgs(init, update))
"""),
    None,
  )
  trainer.train(1)
  difference, decrease, slope = trainer.optimizer_state[0].opt_state[1]
  assert difference == 0
  # A first-order estimate from float32 losses.
  assert float(decrease) == pytest.approx(float(slope), rel=0.02)


def test_line_search_of_optax_runs(load):
  trainer = toy.Trainer(
    load("""
import optax
def optimizer(hyperparameters, step_hint):
  return optax.lbfgs()
"""),
    None,
    batch_size=64,
  )
  trainer.train(15)
  assert trainer.evaluate()['accuracy'] >= 0.9


class TestEvalParams:
  """Averages are evaluated; training goes on as if it had not happened."""

  def test_evaluation_does_not_disturb_training(self, load):
    loaded = load(_AVERAGED)
    watched, alone = (toy.Trainer(loaded, None) for _ in range(2))
    averages = jax.device_get(alone.params)
    for _ in range(3):
      watched.train(1)
      alone.train(1)
      averages = jax.tree.map(
        lambda a, p: (a + np.asarray(p)) / 2, averages, alone.params
      )
      watched.prepare_for_eval()
      _assert_close(watched.params, averages)
      watched.prepare_for_eval()  # Twice is the same.
      _assert_close(watched.params, averages)
    watched.train(1)
    alone.train(1)
    jax.tree.map(np.testing.assert_array_equal, watched.params, alone.params)
    assert watched.optimizer_state[1].step._cache_size() == 1

  def test_what_evaluation_holds_survives_the_next_steps(self, load):
    trainer = toy.Trainer(load(_AVERAGED), None)
    trainer.train(1)
    trainer.prepare_for_eval()
    held, kept = trainer.params, jax.device_get(trainer.params)
    state = trainer.optimizer_state[0]
    trainer.train(2)
    jax.tree.map(np.testing.assert_array_equal, held, kept)
    assert all(
      leaf.is_deleted() for leaf in jax.tree.leaves(state.training_params)
    )

  def test_eval_params_that_are_the_training_params_are_copies(self, load):
    trainer = toy.Trainer(
      load(_SGD + 'def eval_params(opt_state, params):\n  return params\n'),
      None,
    )
    trainer.train(1)
    trainer.prepare_for_eval()
    held = trainer.params
    trainer.train(1)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(held))

  def test_a_checkpoint_of_the_state_continues_exactly(self, load):
    """The state alone is saved, as numpy; the functions are made anew."""
    whole = toy.Trainer(load(_AVERAGED), None)
    whole.train(2)
    whole.prepare_for_eval()
    resumed = toy.Trainer(load(_AVERAGED), None)
    saved = jax.device_get(
      (whole.optimizer_state[0], whole.params, whole.model_state)
    )
    state, resumed.params, resumed.model_state = jax.tree.map(
      jnp.asarray, saved
    )
    resumed.optimizer_state = (state, resumed.optimizer_state[1])
    resumed.queue.set_state(whole.queue.get_state())
    resumed.step = whole.step
    for trainer in (whole, resumed):
      trainer.train(2)
    jax.tree.map(np.testing.assert_array_equal, whole.params, resumed.params)


def test_schedule_free_from_optax_trains(load):
  trainer = toy.Trainer(
    load("""
import optax
from optax import contrib
def optimizer(hyperparameters, step_hint):
  return contrib.schedule_free_sgd(0.5)
def eval_params(opt_state, params):
  return contrib.schedule_free_eval_params(opt_state, params)
"""),
    None,
  )
  for _ in range(4):
    trainer.train(30)
    trainer.prepare_for_eval()
  assert trainer.evaluate()['accuracy'] >= 0.9


_SHARDED = """
import sys
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from algoperf import sources, submission
from tests import toy
assert jax.device_count() == 2
mesh = jax.sharding.Mesh(np.array(jax.devices()), ('batch',))
whole = NamedSharding(mesh, PartitionSpec())
split = NamedSharding(mesh, PartitionSpec('batch'))
loaded = submission.load(sources.locate(sys.argv[1]))
plain = toy.Trainer(loaded, None)
sharded = toy.Trainer(
  loaded, None,
  place=lambda tree: jax.device_put(tree, whole),
  place_batch=lambda batch: jax.device_put(batch, split),
)
for trainer in (plain, sharded):
  for _ in range(3):
    trainer.train(2)
    trainer.prepare_for_eval()
jax.tree.map(  # float32, summed in another order
  lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
  plain.params, sharded.params)
state = (sharded.optimizer_state[0], sharded.params, sharded.model_state)
assert all(leaf.sharding == whole for leaf in jax.tree.leaves(state))
assert sharded.optimizer_state[1].step._cache_size() == 1
"""


def test_a_batch_divided_over_devices_gives_the_same(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(_AVERAGED)
  subprocess.run(
    [sys.executable, '-c', _SHARDED, str(path)],
    check=True,
    cwd=pathlib.Path(__file__).parents[2],
    env=os.environ
    | {
      'JAX_PLATFORMS': 'cpu',
      'XLA_FLAGS': '--xla_force_host_platform_device_count=2',
    },
  )
