"""What tests of workloads share."""

import pytest

from tests.workloads import pipelines


@pytest.fixture(scope='session')
def tiny(tmp_path_factory) -> str:
  """Where the tiny data sets of `pipelines` are."""
  path = str(tmp_path_factory.mktemp('tiny'))
  pipelines.write(path)
  return path
