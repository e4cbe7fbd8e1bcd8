"""The hyperparameter points that AlgoPerf publishes for its baselines."""

import pytest

from algoperf import sources, tuning

_NAMES = (
  'learning_rate',
  'one_minus_beta1',
  'beta2',
  'weight_decay',
  'warmup_factor',
  'label_smoothing',
  'dropout_rate',
)
_FIVE = [
  (
    0.001308209823469072,
    0.02686663061,
    0.9981232922116359,
    0.16375311233774334,
    0.1,
    0.1,
    0.0,
  ),
  (
    0.0008445074561975979,
    0.11042418465,
    0.9978504782314613,
    0.08135402759553023,
    0.05,
    0.2,
    0.0,
  ),
  (
    0.001308209823469072,
    0.02686663061,
    0.9981232922116359,
    0.16375311233774334,
    0.1,
    0.0,
    0.0,
  ),
  (
    0.004958460849689891,
    0.13625575743,
    0.6291854735396584,
    0.1147386261512052,
    0.02,
    0.0,
    0.0,
  ),
  (
    0.0017486387539278373,
    0.06733926164,
    0.9955159689799007,
    0.08121616522670176,
    0.02,
    0.0,
    0.1,
  ),
]


@pytest.mark.parametrize('study', [1, 2])
def test_the_five_points_in_their_order(study):
  space = sources.locate('nadamw').search_space
  found = tuning.load(space, 5, seed=7, study=study)
  assert found == [dict(zip(_NAMES, point, strict=True)) for point in _FIVE]


@pytest.mark.parametrize('number', range(5))
def test_a_point_is_a_namedtuple_like_algoperfs(number):
  space = sources.locate('nadamw').search_space
  point = tuning.as_namedtuple(tuning.load(space, 5, seed=7)[number])
  assert point._fields == _NAMES
  assert tuple(point) == _FIVE[number]
  assert not hasattr(point, 'grad_clip')
  assert point._replace(beta2=0.5)._asdict()['beta2'] == 0.5
