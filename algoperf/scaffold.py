"""Writes a new submission, which runs as it is."""

import keyword
import pathlib

from algoperf import spec

TEMPLATES = ('optax', 'full')  # The short form, and the one of all functions.

_FOLDER = pathlib.Path(__file__).parent / 'templates'
_PLACEHOLDER = 'SUBMISSION_NAME'


def create(
  name: str, directory: str | pathlib.Path = '.', template: str = 'optax'
) -> pathlib.Path:
  """Writes `<directory>/<name>/` with a submission and its search space.

  Args:
    name: an identifier.
    directory: is made if need be.
    template: one of TEMPLATES.

  Returns:
    The new folder.

  Raises:
    UsageError: bad name or template, something is there already, or the folder
      cannot be written.
  """
  if not name.isidentifier() or keyword.iskeyword(name):
    raise spec.UsageError(
      f'Submission name {name!r} is no Python identifier: use letters, digits '
      'and underscores, as in my_optimizer.'
    )
  if template not in TEMPLATES:
    raise spec.UsageError(
      f'Unknown template {template!r}: use {" or ".join(TEMPLATES)}.'
    )
  folder = pathlib.Path(directory).expanduser() / name
  source = (_FOLDER / f'{template}.py').read_text(encoding='utf-8')
  space = (_FOLDER / f'{template}.json').read_text(encoding='utf-8')
  try:
    folder.mkdir(parents=True)
    (folder / 'submission.py').write_text(
      source.replace(_PLACEHOLDER, name), encoding='utf-8'
    )
    (folder / 'tuning_search_space.json').write_text(space, encoding='utf-8')
  except FileExistsError as error:
    raise spec.UsageError(
      f'{error.filename} exists and is left alone: use another name.'
    ) from error
  except OSError as error:
    raise spec.UsageError(
      f'Cannot write {folder}: {error.strerror}; use another --dir.'
    ) from error
  return folder
