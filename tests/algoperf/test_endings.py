"""What is recorded of the errors that end trials."""

import errno

import jax
import pytest

from algoperf import endings, records, tuning
from tests.algoperf import test_records


def _raised(function) -> Exception:
  with pytest.raises(Exception) as caught:
    function()
  return caught.value


def _learning_rate(hyperparameters):
  return jax.jit(lambda x: x * hyperparameters.learning_rate)(1.0)


@pytest.mark.parametrize(
  'ruleset, advice',
  [('self', '--ruleset=external'), ('external', '--tuning_search_space')],
)
def test_who_reads_hyperparameters_where_there_are_none_is_told(
  tmp_path, ruleset, advice
):
  trial = test_records.make_spec(
    tmp_path, ruleset=ruleset, hyperparameters=None
  )
  line = endings.one_line(_raised(lambda: _learning_rate(None)), trial)
  assert 'AttributeError' in line and "'learning_rate'" in line
  assert 'hyperparameters are None' in line and advice in line
  assert '\n' not in line


def test_other_missing_attributes_are_not_explained(tmp_path):
  tuned = test_records.make_spec(tmp_path)
  untuned = test_records.make_spec(tmp_path, hyperparameters=None)
  point = tuning.as_namedtuple({'momentum': 0.9})
  for error, trial in (
    (_raised(lambda: _learning_rate(None)), tuned),
    (_raised(lambda: _learning_rate(point)), untuned),
    (AttributeError('none of ours'), untuned),
    (ValueError("'NoneType'"), untuned),
  ):
    assert endings.one_line(error, trial) == f'{type(error).__name__}: {error}'


def test_an_error_is_told_by_its_first_line(tmp_path):
  trial = test_records.make_spec(tmp_path)
  assert endings.one_line(ValueError('one\ntwo'), trial) == 'ValueError: one'
  assert endings.one_line(KeyError(), trial) == 'KeyError'
  full = OSError(errno.ENOSPC, 'no space')
  assert endings.one_line(full, trial) == records.FULL


@pytest.mark.parametrize(
  'error, status',
  [
    (ValueError('wrong'), 'failed'),
    (SystemExit(0), 'failed'),
    (MemoryError(), 'out_of_memory'),
    (jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: 3 GB'), 'out_of_memory'),
    (jax.errors.JaxRuntimeError('INTERNAL: broken'), 'failed'),
    (OSError(errno.ENOSPC, 'no space'), 'interrupted'),
  ],
)
def test_a_status_for_every_error(error, status):
  assert endings.status(error) == status
