"""ImageNet's augmentation, evaluation crops and streams."""

import dataclasses
import io
import math
import pickle

from hypothesis import given, settings, strategies
import jax
import numpy as np
from PIL import Image
import pytest
import scipy.stats

from algoperf import spec
from tests.workloads import tiny_data
from tests.workloads.pipelines import IMAGENET as TINY
from workloads.data import images, splits
from workloads.imagenet_resnet import imagenet, workload

KEY = np.array([3, 4], np.uint32)
MEAN = 255 * np.array([0.485, 0.456, 0.406])
STDDEV = 255 * np.array([0.229, 0.224, 0.225])
SIDES = strategies.integers(1, 700)


def stored(data_dir, name='imagenet2012', split='train'):
  """Decoded images and labels of a split, read without the pipeline."""
  examples = splits.open_split(data_dir, name, split, skip=('image',))
  return [
    (np.asarray(Image.open(io.BytesIO(e['image']))), e['label'])
    for e in (examples[index] for index in range(len(examples)))
  ]


def middle(image, size=32):
  """Evaluation preprocessing as the facts put it."""
  height, width, _ = image.shape
  side = math.floor(224 / 256 * min(height, width))
  top, left = (math.floor((n - side + 1) / 2) for n in (height, width))
  cut = image[top : top + side, left : left + side]
  return (images.resize(cut, size) - MEAN) / STDDEV


@settings(max_examples=200, deadline=None)
@given(height=SIDES, width=SIDES, seed=strategies.integers(0, 2**32 - 1))
def test_random_boxes_are_inside_and_of_allowed_shape(height, width, seed):
  box = imagenet.random_box(height, width, np.random.default_rng(seed))
  assert box.top >= 0 and box.top + box.height <= height
  assert box.left >= 0 and box.left + box.width <= width
  if (box.height, box.width) == (height, width):
    return
  assert 0.1 <= box.height * box.width / (height * width) <= 1
  # The width was rounded.
  assert 0.75 * box.height - 0.5 <= box.width <= 4 / 3 * box.height + 0.5


def test_the_distribution_of_random_boxes():
  rng = np.random.default_rng(0)
  boxes = [imagenet.random_box(500, 500, rng) for _ in range(4000)]
  heights = np.array([box.height for box in boxes])
  tops = np.array([box.top for box in boxes])
  # Independent draws: aspect ratio, then a height whose area is allowed, with
  # crops under a tenth of the image drawn again.
  other = np.random.default_rng(1)
  aspects = other.uniform(3 / 4, 4 / 3, 8000)
  least = np.sqrt(0.08 / aspects)
  most = np.minimum(1, 1 / np.maximum(aspects, 1e-9))
  most = np.minimum(np.sqrt(1 / aspects), most)
  drawn = other.uniform(least, most)
  drawn = drawn[drawn**2 * aspects >= 0.1]
  assert scipy.stats.ks_2samp(heights / 500, drawn).pvalue > 0.001
  # Places are uniform where the box can be moved.
  free = 500 - heights
  movable = free > 50
  places = tops[movable] / free[movable]
  assert scipy.stats.kstest(places, 'uniform').pvalue > 0.001
  assert np.all(tops[free > 0] < free[free > 0])


@pytest.mark.parametrize('height, width', [(10, 200), (200, 10), (1, 1)])
def test_no_box_of_an_allowed_shape(height, width):
  # An allowed shape covers at most 10 x 13 of 10 x 200: less than a tenth.
  box = imagenet.random_box(height, width, np.random.default_rng(0))
  assert box == images.Box(top=0, left=0, height=height, width=width)


def test_the_whole_image_is_replaced_by_the_middle():
  pixels = tiny_data.photo(0, 20, 400)
  example = {
    'image': tiny_data.encoded(pixels, 'PNG'),
    'label': 3,
    'file_name': b'x',
  }
  config = dataclasses.replace(TINY)
  found = imagenet.Augment(config)(example, np.random.default_rng(0))['inputs']
  expected = middle(pixels)
  if np.abs(found - expected).max() > 1e-4:
    expected = expected[:, ::-1]
  np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize('height, width', [(375, 500), (500, 375), (8, 9)])
def test_middle_boxes(height, width):
  box = imagenet.middle_box(height, width)
  side = math.floor(min(height, width) * 0.875)
  assert (box.height, box.width) == (side, side)
  assert box.top == math.floor((height - side + 1) / 2)
  assert box.left == math.floor((width - side + 1) / 2)


def test_augmented_images_are_resized_crops_some_mirrored():
  pixels = tiny_data.photo(7, 60, 90)
  example = {
    'image': tiny_data.encoded(pixels, 'PNG'),
    'label': 12,
    'file_name': b'x',
  }
  augment = pickle.loads(pickle.dumps(imagenet.Augment(TINY)))
  mirrored = 0
  for seed in range(60):
    found = augment(example, np.random.default_rng(seed))
    box = imagenet.random_box(60, 90, np.random.default_rng(seed))
    cut = pixels[box.top :, box.left :][: box.height, : box.width]
    expected = (images.resize(cut, 32) - MEAN) / STDDEV
    is_mirrored = np.abs(found['inputs'] - expected).max() > 0.1
    mirrored += is_mirrored
    expected = expected[:, ::-1] if is_mirrored else expected
    np.testing.assert_allclose(found['inputs'], expected, atol=1e-5)
    assert found['inputs'].dtype == np.float32
    assert found['targets'] == 12 and found['targets'].dtype == np.int32
  assert 18 < mirrored < 42  # 30, standard deviation 4.


@pytest.mark.parametrize('damage', [b'', b'garbage'])
def test_an_unreadable_image_is_named(damage):
  example = {'image': damage, 'label': 0, 'file_name': b'n01_2.JPEG'}
  with pytest.raises(spec.UsageError, match=r'n01_2\.JPEG'):
    imagenet.Preprocess(TINY)(example)


@pytest.mark.parametrize(
  'split, name, stored_split, size',
  [
    ('eval_train', 'imagenet2012', 'train', 9),
    ('validation', 'imagenet2012', 'validation', 11),
    ('test', 'imagenet_v2/matched-frequency', 'test', 6),
  ],
)
def test_evaluation_batches(tiny, split, name, stored_split, size):
  expected = stored(tiny, name, stored_split)[:size]
  queue = workload.ResNetWorkload(TINY).build_input_queue(KEY, split, tiny, 4)
  found = list(queue)
  rows = {key: np.concatenate([b[key] for b in found]) for key in found[0]}
  assert rows['inputs'].shape == (-(-size // 4) * 4, 32, 32, 3)
  assert rows['weights'].tolist() == [1.0] * size + [0.0] * (-size % 4)
  for index, (image, label) in enumerate(expected):
    assert rows['targets'][index] == label
    np.testing.assert_allclose(rows['inputs'][index], middle(image), atol=1e-4)
  assert not rows['inputs'][size:].any()


def test_training_batches(tiny):
  work = workload.ResNetWorkload(TINY)
  queue = work.build_input_queue(KEY, 'train', tiny, 23)
  first, state, second = next(queue), queue.get_state(), next(queue)
  queue.set_state(state)
  np.testing.assert_array_equal(next(queue)['inputs'], second['inputs'])
  queue.close()
  labels = sorted(label for _, label in stored(tiny))
  assert sorted(first['targets']) == sorted(second['targets']) == labels
  assert first['inputs'].shape == (23, 32, 32, 3)
  assert first['inputs'].dtype == np.float32
  by_label = {label: n for n, label in enumerate(first['targets'])}
  again = second['inputs'][[list(second['targets']).index(n) for n in by_label]]
  assert np.all(np.abs(first['inputs'] - again).max(axis=(1, 2, 3)) > 0.1)


def test_evaluation_is_over_whole_splits(tiny):
  work = workload.ResNetWorkload(TINY)
  params, state = work.init_model_fn(jax.random.PRNGKey(0))
  params['Dense_0']['kernel'] = 50 * params['Dense_0']['kernel']
  model = jax.jit(
    lambda inputs: work.model_fn(
      params, {'inputs': inputs}, state, None, None, False
    )[0]
  )
  for split, name, stored_split, size in (
    ('eval_train', 'imagenet2012', 'train', 9),
    ('validation', 'imagenet2012', 'validation', 11),
    ('test', 'imagenet_v2/matched-frequency', 'test', 6),
  ):
    examples = stored(tiny, name, stored_split)[:size]
    inputs = np.stack([middle(image) for image, _ in examples])
    logits = np.asarray(model(inputs.astype(np.float32)), np.float64)
    labels = np.array([label for _, label in examples])
    losses = -scipy.special.log_softmax(logits, axis=1)[range(size), labels]
    found = work.evaluate_split(split, params, state, None, tiny)
    np.testing.assert_allclose(found['loss'], losses.mean(), rtol=1e-4)
    assert found['accuracy'] == (logits.argmax(axis=1) == labels).mean()


def test_data_is_ready_once_both_sets_are_there(tiny, tmp_path):
  work = workload.ResNetWorkload(TINY)
  assert work.data_is_ready(tiny)
  work.prepare_data(tiny)
  assert not work.data_is_ready(str(tmp_path))
