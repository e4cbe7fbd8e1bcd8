import json
import pathlib

from hypothesis import given, strategies
import numpy as np
import pytest

from algoperf import spec, tuning

# ALGOPERF's own first points, computed with the reference's generator.
_FIRST_POINTS = {
  1: [(0.28612428,), (0.83001933,), (0.36079633,)],
  2: [
    (0.27397444, 0.28612428),
    (0.99116671, 0.83001933),
    (0.2302308, 0.36079633),
  ],
  3: [
    (0.13714607, 0.27397444, 0.28612428),
    (0.80654218, 0.99116671, 0.83001933),
    (0.25690042, 0.2302308, 0.36079633),
  ],
}

_LOG = {'min': 1e-4, 'max': 1e-1, 'scaling': 'log'}
_LINEAR = {'min': -1, 'max': 3, 'scaling': 'linear'}


@pytest.fixture
def write(tmp_path):
  def write(space: object) -> pathlib.Path:
    path = tmp_path / 'space.json'
    path.write_text(space if isinstance(space, str) else json.dumps(space))
    return path

  return write


@pytest.mark.parametrize('num_dimensions', _FIRST_POINTS)
def test_quasi_random_points_are_algoperfs(num_dimensions: int):
  points = tuning.quasi_random(3, num_dimensions)
  # Eight digits are known.
  np.testing.assert_allclose(points, _FIRST_POINTS[num_dimensions], atol=6e-9)


def test_each_dimension_has_the_base_that_algoperf_gives_it():
  """The d primes below 997, ascending; up to b, values in base b are n/b."""
  points = tuning.quasi_random(900, 7)
  bases = (947, 953, 967, 971, 977, 983, 991)
  for base, values in zip(bases, points.T, strict=True):
    steps = (values[: base - 101] - values[0]) * base
    np.testing.assert_allclose(steps, steps.round(), atol=1e-9)
    assert len(set(steps.round() % base)) == base - 101


@given(
  strategies.integers(1, 166), strategies.integers(1, 20), strategies.data()
)
def test_quasi_random_points_lie_in_the_unit_cube(dimensions, points, data):
  more = tuning.quasi_random(points + data.draw(strategies.integers(0, 5)), 2)
  assert np.array_equal(more[:points], tuning.quasi_random(points, 2))
  units = tuning.quasi_random(points, dimensions)
  assert units.shape == (points, dimensions)
  assert (units >= 0).all() and (units < 1).all()


def test_quasi_random_points_fill_each_axis_evenly():
  # 991 consecutive elements in base 991 hit each of its intervals once.
  units = tuning.quasi_random(991, 1)[:, 0]
  gaps = np.diff(np.sort(units))
  assert gaps.max() < 2.01 / 991


def test_scales_follow_their_definitions(write):
  space = {'a': _LOG, 'b': _LINEAR, 'c': {'feasible_points': ['x', 'y', 'z']}}
  points = tuning.load(write(space), 3, seed=0)
  expected = {
    (1e-4 * 1000**a, -1 + 4 * b, 'xyz'[int(3 * c)])
    for a, b, c in _FIRST_POINTS[3]
  }
  assert [list(point) for point in points] == [['a', 'b', 'c']] * 3
  for point in points:
    a, b, c = min(expected, key=lambda e: abs(e[1] - point['b']))
    assert point['a'] == pytest.approx(a, rel=1e-6)
    assert point['b'] == pytest.approx(b, abs=1e-7)
    assert point['c'] == c
  assert len({point['b'] for point in points}) == 3


def test_the_seed_alone_decides_the_order(write):
  path = write({'a': _LOG})
  first = tuning.load(path, 20, seed=1)
  np.random.seed(7)
  assert tuning.load(path, 20, seed=1) == first
  other = tuning.load(path, 20, seed=2)
  assert other != first
  by_value = lambda points: sorted(point['a'] for point in points)  # noqa: E731
  assert by_value(other) == by_value(first)


def test_each_study_takes_the_next_points(write):
  path = write({'a': _LOG})
  studies = [tuning.load(path, 4, seed=1, study=study) for study in (1, 2, 3)]
  values = {point['a'] for points in studies for point in points}
  twelve = tuning.load(path, 12, seed=9)
  assert values == {point['a'] for point in twelve}
  points = [{'a': 1}, {'a': 2}]
  assert tuning.load(write(points), 2, seed=1, study=2) == points


def test_a_list_keeps_its_order_and_may_be_short(write):
  points = [{'lr': 3.0}, {'lr': 1.0}, {'lr': 2.0}]
  assert tuning.load(write(points), 2, seed=5) == points[:2]
  assert tuning.load(write(points), 9, seed=5) == points


def test_points_may_have_names_of_their_own(write):
  points = [{'lr': 3.0, 'clip': 1.0}, {'lr': 1.0}]
  path = write(points)
  assert tuning.load(path, 2, seed=5) == points
  assert tuning.names(path) == ['lr']
  assert tuning.names(write({'a': _LOG, 'b': _LINEAR})) == ['a', 'b']


def test_as_namedtuple_keeps_names_and_order():
  point = tuning.as_namedtuple({'lr': 0.1, 'beta': 0.9})
  assert type(point).__name__ == 'Hyperparameters'
  assert point._fields == ('lr', 'beta')
  assert (point.lr, point.beta) == (0.1, 0.9)


@pytest.mark.parametrize(
  ('space', 'words'),
  [
    ('{\n  "a": {"min": 1,,\n}', ['space.json:2', 'not JSON']),
    ('{"a": {"min": 1, "max": NaN, "scaling": "log"}}', ['NaN']),
    ('{"a": {"feasible_points": [1]}, "a": {}}', ["'a'", '2 times']),
    ('3', ['space.json', 'non-empty']),
    ({}, ['non-empty']),
    ([], ['empty']),
    ([1], ['point 1', 'object']),
    ([{'learning rate': 1}], ["'learning rate'", 'identifier']),
    ([{'lambda': 1}], ["'lambda'", 'identifier']),
    ({'_a': _LOG}, ["'_a'", 'identifier']),
    ({'a': 3}, ["'a'", '3', 'feasible_points']),
    ({'a': {'feasible_points': []}}, ["'a'", '[]', 'non-empty']),
    ({'a': {'feasible_points': [1], 'min': 0}}, ["'a'", "'min'"]),
    ({'a': _LOG | {'step': 1}}, ["'a'", "'step'"]),
    ({'a': {'min': 1, 'max': 2}}, ["'a'", "'scaling'", 'missing']),
    ({'a': _LOG | {'min': 2}}, ["'a'", '2', '0.1', 'greater']),
    ({'a': _LOG | {'min': 0}}, ["'a'", '0', "'log'"]),
    ({'a': _LINEAR | {'scaling': 'cubic'}}, ["'a'", "'cubic'"]),
    ({'a': _LINEAR | {'scaling': []}}, ["'a'", 'scaling']),
    ({'a': _LINEAR | {'max': '3'}}, ["'a'", "'3'", 'number']),
    ({'a': _LINEAR | {'max': True}}, ["'a'", 'True', 'number']),
    ({f'a{i}': _LOG for i in range(167)}, ['167', '166']),
  ],
)
def test_a_malformed_space_is_one_clear_line(write, space, words):
  path = write(space)
  with pytest.raises(spec.UsageError) as error:
    tuning.load(path, 3, seed=0)
  message = str(error.value)
  assert '\n' not in message
  assert message.startswith(str(path))
  for word in words:
    assert word in message


def test_a_missing_file_and_no_trials_are_refused(tmp_path, write):
  with pytest.raises(spec.UsageError, match=r'nowhere\.json'):
    tuning.load(tmp_path / 'nowhere.json', 1, seed=0)
  with pytest.raises(spec.UsageError, match='0: it must be at least 1'):
    tuning.load(write([{'a': 1}]), 0, seed=0)
