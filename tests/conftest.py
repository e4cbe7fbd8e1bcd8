"""What tests of several packages share."""

import os
import pathlib

import pytest


@pytest.fixture(scope='session')
def data_dir() -> str:
  """Where prepared data is kept between runs: $ALGOPERF_TEST_DATA or data/."""
  default = pathlib.Path(__file__).parents[1] / 'data'
  return os.environ.get('ALGOPERF_TEST_DATA', str(default))
