"""What tests of the harness share."""

from collections.abc import Callable
import pathlib

import pytest


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
  """Writes a file of a given name and text, in folders made for it."""

  def write(name: str, text: str = '') -> pathlib.Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path

  return write
