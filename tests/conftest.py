"""What tests of several packages share."""

import os
import pathlib

import hypothesis
import pytest

import workloads

_SMALL = ('mnist_resnet', 'numerals_wmt', 'shakespeare_lm')


# A busy machine is no reason to fail.
hypothesis.settings.register_profile('patient', deadline=None)
hypothesis.settings.load_profile('patient')


@pytest.fixture(scope='session')
def data_dir() -> str:
  """Where the small siblings' data is: $ALGOPERF_TEST_DATA, or data/ here.

  Prepared at first use and kept between runs.
  """
  default = pathlib.Path(__file__).parents[1] / 'data'
  path = os.environ.get('ALGOPERF_TEST_DATA', str(default))
  for name in _SMALL:
    workloads.get(name).prepare_data(path)
  return path
