"""Data selection, growing batches, and points one after another."""

import collections
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from algoperf import sources, spec, submission, tuning
from submissions.growing_batches import submission as growing_batches
from submissions.loss_selection import submission as loss_selection
from submissions.nadamw import submission as nadamw
from submissions.nadamw_sequential import submission as sequential
from tests import toy
from tests.submissions import steps

_KEY = np.array([0, 3], np.uint32)


class TestLossSelection:
  def _trainer(self, selectivity: float) -> toy.Trainer:
    source = sources.locate('loss_selection')
    (point,) = tuning.load(source.search_space, 1, seed=0)
    point |= {'selectivity': selectivity}
    return toy.Trainer(submission.load(source), tuning.as_namedtuple(point))

  def _draw(self, trainer: toy.Trainer, rng: np.ndarray = _KEY) -> spec.Batch:
    return jax.device_get(
      trainer.submission.data_selection(
        trainer.workload,
        trainer.queue,
        trainer.optimizer_state,
        trainer.params,
        trainer.model_state,
        trainer.hyperparameters,
        0,
        rng,
      )
    )

  def test_a_batch_of_the_queues_size_out_of_two(self):
    trainer = self._trainer(1.0)
    twin = trainer.workload.build_input_queue(trainer._key, 'train', '', 16)
    drawn = [next(twin), next(twin)]
    pool = np.concatenate([batch['inputs'] for batch in drawn])
    batch = self._draw(trainer)
    assert trainer.queue.get_state() == {'index': 2}
    assert batch['inputs'].shape == (16, toy.NUM_INPUTS)
    assert batch['targets'].shape == (16,)
    rows = {tuple(row) for row in pool}
    assert {tuple(row) for row in batch['inputs']} <= rows

  def test_the_most_selective_keeps_the_highest_losses(self):
    trainer = self._trainer(1e6)
    params = jax.device_get(trainer.params)
    twin = trainer.workload.build_input_queue(trainer._key, 'train', '', 16)
    drawn = [next(twin), next(twin)]
    inputs = np.concatenate([batch['inputs'] for batch in drawn])
    targets = np.concatenate([batch['targets'] for batch in drawn])
    logits = (
      inputs @ params['body']['kernel'] @ params['head']['kernel']
      + params['head']['bias']
    )
    margin = np.take_along_axis(logits, targets[:, None], 1)[:, 0]
    losses = np.log(np.exp(logits).sum(axis=1)) - margin
    kept = np.sort(inputs[np.argsort(losses)[16:]].sum(axis=1))
    batch = self._draw(trainer)
    np.testing.assert_allclose(
      np.sort(batch['inputs'].sum(axis=1)), kept, rtol=1e-6
    )

  @pytest.mark.parametrize('selectivity', [0.0, 2.0])
  def test_examples_are_drawn_by_their_rank(self, selectivity):
    losses = jnp.array([0.3, 0.1, 0.9, 0.2])
    keys = jax.random.split(jax.random.PRNGKey(0), 4000)
    first = jax.vmap(
      lambda key: loss_selection.choose(losses, 2, selectivity, key)[0]
    )(keys)
    shares = np.bincount(first, minlength=4) / len(keys)
    weights = np.array([3.0, 1.0, 4.0, 2.0]) ** selectivity
    # Three standard deviations of a share from 4000 draws.
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.024)

  def test_the_loss_of_a_text_is_the_sum_over_its_tokens(self):
    class Texts:
      """Losses are given: a row an example, a column a token."""

      def model_fn(self, params, batch, *args, **kwargs):
        return batch['inputs'], None

      def loss_fn(self, label_batch, logits_batch, mask_batch):
        return {'per_example': logits_batch}

    queue = iter(
      {'inputs': np.array(rows), 'targets': np.zeros((2, 2))}
      for rows in ([[0.0, 5.0], [3.0, 3.0]], [[4.0, 0.0], [9.0, 0.0]])
    )
    point = steps.point(selectivity=1e6)
    batch = loss_selection.data_selection(
      Texts(), queue, None, None, None, point, 0, _KEY
    )
    assert sorted(batch['inputs'].sum(axis=1).tolist()) == [6.0, 9.0]

  def test_none_twice(self):
    chosen = loss_selection.choose(jnp.arange(32.0), 16, 1.0, _KEY)
    assert len(set(np.asarray(chosen).tolist())) == 16


class TestGrowingBatches:
  def test_sizes_double_at_even_distances_in_batches(self):
    schedule = growing_batches.batches_per_update(0.5, 4, 400)
    sizes, batches = [], 0
    while batches < 400:
      sizes.append(int(schedule(len(sizes))))
      batches += sizes[-1]
    ends = np.cumsum(sizes)
    first = {
      size: int(ends[sizes.index(size)]) - size for size in (2, 4, 8, 16)
    }
    # Half of 400, then every eighth of it, rounded up to a whole update.
    for size, start in zip((2, 4, 8, 16), (200, 250, 300, 350), strict=True):
      assert start <= first[size] <= start + size

  def test_an_update_is_nadamws_with_the_mean_gradient(self):
    point = steps.point(growth_start=0.5, num_doublings=1)
    tx = growing_batches.optimizer(point, 4)  # One, one, then pairs.
    grads = steps.gradients(6)
    found, _ = steps.run(tx, steps.params(), grads)
    means = [
      *grads[:2],
      jax.tree.map(lambda a, b: (a + b) / 2, grads[2], grads[3]),
      jax.tree.map(lambda a, b: (a + b) / 2, grads[4], grads[5]),
    ]
    plain = optax.chain(
      nadamw.scale_by_nadam(0.9, 0.99),
      optax.add_decayed_weights(0.2),
      optax.scale(-0.1),
    )
    expected, _ = steps.run(plain, steps.params(), means)
    first, second, third, fourth = expected
    steps.assert_close(found, [first, second, second, third, third, fourth])


class TestSequential:
  def _trainer(self, step_hint: int) -> toy.Trainer:
    loaded = submission.load(sources.locate('nadamw_sequential'))
    workload = toy.Workload(goal=toy.goal(step_hint=step_hint))
    return toy.Trainer(loaded, None, workload)

  def test_points_and_horizons_are_algoperfs(self):
    assert [point.learning_rate for point in sequential.POINTS] == [
      0.0014271957958295392,
      0.001768509931943289,
      0.0023792566965593815,
    ]
    assert sequential.starts(1000) == [0, 1000, 2000, 2750]

  def test_each_point_trains_from_the_initial_weights(self):
    trainer = self._trainer(8)
    initial = jax.device_get((trainer.params, trainer.model_state))
    trainer.train(8)
    trained = jax.device_get(trainer.params)
    trainer.train(1)  # With a learning rate of 0 but for the warm-up of 0.
    second = sequential.POINTS[1]
    moved = trainer.params['head']['kernel'] - initial[0]['head']['kernel']
    assert np.abs(moved).max() < 2 * second.learning_rate
    assert (
      np.abs(trained['head']['kernel'] - trainer.params['head']['kernel']).max()
      > 2 * second.learning_rate
    )

  @pytest.mark.parametrize(('index', 'number'), [(1, 8), (2, 6)])
  def test_a_points_steps_are_nadamws(self, index, number):
    """Against the external submission at the same point, as long a training."""
    trainer = self._trainer(8)
    trainer.train(8 * index)
    values = sequential.POINTS[index]._asdict()
    point = collections.namedtuple('Hyperparameters', values)(**values)
    alone = toy.Trainer(
      submission.load(sources.locate('nadamw')),
      point,
      toy.Workload(goal=toy.goal(step_hint=number)),
    )
    alone.queue.set_state(trainer.queue.get_state())
    trainer.train(number)
    alone.train(number)
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
      (trainer.params, trainer.model_state),
      (alone.params, alone.model_state),
    )

  def test_after_the_last_point_training_is_complete(self):
    trainer = self._trainer(4)
    trainer.train(11)
    with pytest.raises(spec.TrainingCompleteError):
      trainer.train(1)


_COMMON = {
  'warmup_factor': {'feasible_points': [0.05]},
  'label_smoothing': {'feasible_points': [0.1, 0.2]},
  'dropout_rate': {'feasible_points': [0.0, 0.1]},
}
_PAPER = {  # Learning rate, 1 − β1, weight decay.
  'adamw': ((1e-4, 1e-2), (0.02, 0.5), (0.005, 1.0)),
  'nadamw': ((1e-4, 1e-2), (0.004, 0.1), (0.005, 1.0)),
  'lamb': ((1e-4, 1e-2), (0.05, 0.3), (0.001, 1.0)),
  'adafactor': ((1e-4, 1e-2), (0.01, 0.45), (0.001, 1.0)),
  'sam': ((1e-4, 1e-2), (0.05, 0.43), (0.01, 0.2)),
  'shampoo': ((1e-4, 1e-2), (0.01, 0.15), (0.005, 1.0)),
  'heavy_ball': ((0.02, 5.0), (0.005, 0.3), (1e-7, 5e-5)),
  'nesterov': ((0.02, 5.0), (0.005, 0.3), (1e-7, 5e-5)),
}


@pytest.mark.parametrize('name', _PAPER)
def test_the_papers_two_spaces(name: str):
  folder = sources.locate(name).path.parent
  file = 'search_space.json'  # Where the submission's own is a list of points.
  if not (folder / file).exists():
    file = 'tuning_search_space.json'
  space = json.loads((folder / file).read_text())
  keys = ('learning_rate', 'one_minus_beta1', 'weight_decay')
  for key, (low, high) in zip(keys, _PAPER[name], strict=True):
    assert space[key] == {'min': low, 'max': high, 'scaling': 'log'}
  assert _COMMON.items() <= space.items()
  fixed = json.loads((folder / 'search_space_beta1_fixed.json').read_text())
  assert fixed == space | {'one_minus_beta1': {'feasible_points': [0.1]}}
  assert len(tuning.load(folder / file, 20, seed=1)) == 20
