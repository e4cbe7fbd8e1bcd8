"""JSON files of trials, which may hold anything."""

import json
from typing import Any

from scoring import layout


def json_object(trial: layout.Trial, name: str) -> dict[str, Any]:
  """The JSON object in a file, empty if there is no file.

  Raises:
    ValueError: it holds no JSON object, or cannot be read.
  """
  if not trial.has(name):
    return {}
  try:
    content = json.loads(trial.read(name))
  except OSError as error:
    raise ValueError(f'it cannot be read: {error.strerror}') from error
  except RecursionError:
    raise ValueError('it is nested too deeply') from None
  if not isinstance(content, dict):
    raise ValueError('it holds no JSON object')
  return content


def text(value: object) -> str:
  """A text that can be written; '' if it is none."""
  if not isinstance(value, str):
    return ''
  # JSON may hold halves of characters.
  return value if value.isascii() else value.encode(errors='replace').decode()
