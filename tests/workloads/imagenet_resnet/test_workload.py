"""Loss and evaluation against numpy, and what submissions may read."""

import dataclasses

import jax
import numpy as np
import pytest
import scipy.special

from algoperf import spec
import workloads
from workloads.imagenet_resnet import configs, digits, workload

RNG = np.random.RandomState(0)
LOGITS = RNG.standard_normal((6, 10)).astype(np.float32) * 3
LABELS = np.array([0, 9, 3, 3, 1, 5])
MASK = np.array([1, 1, 0, 1, 0, 1], np.float32)


def cross_entropy(label_smoothing):
  targets = np.eye(10)[LABELS] * (1 - label_smoothing) + label_smoothing / 10
  log_p = LOGITS - scipy.special.logsumexp(LOGITS, axis=1, keepdims=True)
  return -(targets * log_p).sum(axis=1)


@pytest.mark.parametrize('label_smoothing', [0.0, 0.1, 1.0])
@pytest.mark.parametrize('mask', [None, MASK])
@pytest.mark.parametrize('labels', [LABELS, np.eye(10)[LABELS]])
def test_loss(labels, mask, label_smoothing):
  found = workloads.get('mnist_resnet').loss_fn(
    labels, LOGITS, mask, label_smoothing
  )
  weights = np.ones(6) if mask is None else mask
  expected = cross_entropy(label_smoothing) * weights
  np.testing.assert_allclose(found['per_example'], expected, rtol=1e-5)
  np.testing.assert_allclose(found['summed'], expected.sum(), rtol=1e-5)
  assert found['n_valid_examples'] == weights.sum()


def test_evaluation_with_a_padded_batch(data_dir):
  # 1000 examples in batches of 384: the last has 152 rows of padding.
  config = dataclasses.replace(
    configs.MNIST,
    name='tiny',
    width=2,
    stage_sizes=(1,),
    stem_stride=4,
    eval_batch_size=384,
  )
  work = workload.ResNetWorkload(config)
  params, state = work.init_model_fn(jax.random.PRNGKey(0))
  params['Dense_0']['kernel'] = 50 * params['Dense_0']['kernel']
  found = work.evaluate_split('test', params, state, None, data_dir)

  arrays = digits.load(config, data_dir, 'test')
  logits, _ = jax.jit(
    lambda images: work.model_fn(
      params, {'inputs': images}, state, None, None, False
    )
  )(arrays['inputs'])
  logits, targets = np.asarray(logits, np.float64), arrays['targets']
  log_p = scipy.special.log_softmax(logits, axis=1)
  losses = -log_p[np.arange(len(targets)), targets]
  assert found['accuracy'] == (logits.argmax(axis=1) == targets).mean()
  np.testing.assert_allclose(found['loss'], losses.mean(), rtol=1e-4)
  assert {type(value) for value in found.values()} == {float}


def test_numbers_of_examples_are_those_of_the_data(data_dir):
  work = workloads.get('mnist_resnet')
  found = {
    split: len(digits.load(work.config, data_dir, split)['targets'])
    for split in spec.SPLITS
  }
  assert found == {
    'train': work.num_train_examples,
    'eval_train': work.num_eval_train_examples,
    'validation': work.num_validation_examples,
    'test': work.num_test_examples,
  }


def test_queues_of_all_splits(data_dir):
  work = workloads.get('mnist_resnet')
  for split in spec.SPLITS:
    queue = work.build_input_queue(
      np.array([0, 1], np.uint32), split, data_dir, 32
    )
    batch = next(queue)
    assert batch['inputs'].shape == (32, 28, 28, 1)
    assert batch['inputs'].dtype == np.float32
    assert batch['targets'].shape == (32,)


def test_shapes_and_types_are_known_after_init_only():
  work = workloads.get('mnist_resnet')
  for read in ('param_shapes', 'model_params_types'):
    with pytest.raises(ValueError, match=read):
      getattr(work, read)
  jax.eval_shape(work.init_model_fn, jax.random.PRNGKey(0))
  shape = work.param_shapes['Dense_0']['bias']
  assert shape == spec.ShapeTuple((10,))


def test_full_size_data_is_refused_in_one_line(tmp_path):
  work = workloads.get('imagenet_resnet_silu')
  with pytest.raises(spec.UsageError, match='imagenet2012') as caught:
    work.prepare_data(str(tmp_path))
  assert '\n' not in str(caught.value)
  with pytest.raises(spec.UsageError):
    work.build_input_queue(np.zeros(2, np.uint32), 'train', str(tmp_path), 8)
  assert not list(tmp_path.iterdir())
