"""Files that others read while they are replaced."""

from collections.abc import Iterator, Mapping
import contextlib
import json
import os
import pathlib
import tempfile
from typing import Any, TextIO


def write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
  """Replaces a JSON file in one step; a reader never sees half of it."""
  with replacement(path) as file:
    json.dump(content, file, indent=2, ensure_ascii=False, default=str)
    file.write('\n')


@contextlib.contextmanager
def replacement(path: pathlib.Path) -> Iterator[TextIO]:
  """A text file that takes another's place once it is written."""
  handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}')
  try:
    with os.fdopen(handle, 'w', newline='', encoding='utf-8') as file:
      yield file
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
  except BaseException:
    with contextlib.suppress(FileNotFoundError):
      os.unlink(temporary)
    raise


def read_json(path: pathlib.Path) -> dict[str, Any] | None:
  """The content of a JSON object; None where there is none to be read."""
  try:
    content = json.loads(path.read_text(encoding='utf-8'))
  except (OSError, ValueError):
    return None
  return content if isinstance(content, dict) else None
