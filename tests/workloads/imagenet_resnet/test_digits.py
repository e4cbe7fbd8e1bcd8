"""The MNIST digits: who is in which split, and how they reach the model."""

import numpy as np
import pytest

from workloads.data import batches, store
from workloads.imagenet_resnet import configs, digits


@pytest.fixture(scope='module')
def splits(data_dir):
  return {
    split: digits.load(configs.MNIST, data_dir, split)
    for split in ('train', 'eval_train', 'validation', 'test')
  }


def images_of(arrays):
  return [image.tobytes() for image in arrays['inputs']]


def test_no_digit_is_in_two_splits(splits):
  found = [
    image
    for split in ('train', 'validation', 'test')
    for image in images_of(splits[split])
  ]
  assert len(found) == len(set(found)) == 5000


@pytest.mark.parametrize(
  'split, each', [('train', 300), ('validation', 100), ('test', 100)]
)
def test_every_class_has_the_same_share(splits, split, each):
  assert np.bincount(splits[split]['targets']).tolist() == [each] * 10


def test_eval_train_is_part_of_train(splits):
  train, evaluated = splits['train'], splits['eval_train']
  assert len(evaluated['targets']) == 1000
  for key, array in evaluated.items():
    np.testing.assert_array_equal(array, train[key][:1000])


def test_training_pixels_are_standardised(splits):
  pixels = splits['train']['inputs'].astype(np.float64)
  # The configuration's statistics are rounded to four decimals.
  np.testing.assert_allclose(pixels.mean(), 0, atol=1e-5)
  np.testing.assert_allclose(pixels.std(), 1, atol=1e-5)


def test_stored_pixels_are_those_of_the_images(data_dir):
  builder = digits.Mnist5k(data_dir=data_dir)
  images = store.read(builder, 'test')['image']
  assert images.dtype == np.uint8
  assert (images.min(), images.max()) == (0, 255)
  # Ink is in the middle: nothing in the two outermost rows and columns.
  assert images[:, 6:22, 6:22].mean() > 10 * images[:, :2].mean()


def test_random_crops_are_windows_of_the_padded_image():
  # Each pixel holds its own position, so that a crop tells where it was cut.
  size = 28 + 2 * digits.MAX_SHIFT
  position = np.arange(size * size, dtype=np.float32).reshape(1, size, size, 1)
  batch = {
    'inputs': np.repeat(position, 400, axis=0),
    'targets': np.arange(400),
  }
  cropped = digits.random_crop(batch, np.random.default_rng(0))
  assert cropped['inputs'].shape == (400, 28, 28, 1)
  np.testing.assert_array_equal(cropped['targets'], batch['targets'])
  corners = cropped['inputs'][:, 0, 0, 0].astype(int)
  shifts = {divmod(corner, size) for corner in corners}
  every = range(2 * digits.MAX_SHIFT + 1)
  assert shifts == {(top, left) for top in every for left in every}
  for image, corner in zip(cropped['inputs'], corners, strict=True):
    top, left = divmod(corner, size)
    window = position[0, top : top + 28, left : left + 28]
    np.testing.assert_array_equal(image, window)


def test_training_images_are_shifted_originals(data_dir, splits):
  stream = digits.train_batches(
    configs.MNIST, data_dir, 50, np.array([0, 3], np.uint32)
  )
  batch = next(stream)
  stream.close()
  originals = splits['train']
  background = originals['inputs'].min()
  unshifted = 0
  for image, label in zip(batch['inputs'], batch['targets'], strict=True):
    np.testing.assert_allclose(image.min(), background, rtol=1e-6)
    same = np.isclose(originals['inputs'], image).all(axis=(1, 2, 3))
    assert all(originals['targets'][same] == label)
    unshifted += same.sum()
  assert unshifted < 25


def test_splitting_is_fixed():
  labels = np.repeat([0, 1], 5)
  first, second = (digits.split_by_class(labels) for _ in range(2))
  for split, size in (('train', 6), ('validation', 2), ('test', 2)):
    assert len(first[split]) == size
    np.testing.assert_array_equal(first[split], second[split])
  assert sorted(np.concatenate(list(first.values()))) == list(range(10))


def test_evaluation_images_are_not_augmented(splits):
  batch = next(batches.eval_batches(splits['validation'], 10))
  np.testing.assert_array_equal(
    batch['inputs'], splits['validation']['inputs'][:10]
  )
