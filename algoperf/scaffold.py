"""Writes a new submission, which runs as it is."""

import keyword
import pathlib
import shutil

from algoperf import spec

TEMPLATES = {
  'optax': 'a few lines, the optimizer alone',
  'full': 'all functions of the contract, written out',
  'self_tuning': 'without hyperparameters, for --ruleset=self',
  'data_selection': 'the optimizer, and which examples it sees',
}

_FOLDER = pathlib.Path(__file__).parent / 'templates'
_PLACEHOLDER = 'SUBMISSION_NAME'


def create(
  name: str, directory: str | pathlib.Path = '.', template: str = 'optax'
) -> pathlib.Path:
  """Writes `<directory>/<name>/` with a submission and its search space if any.

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
      f'Unknown template {template!r}: use one of {", ".join(TEMPLATES)}.'
    )
  folder = pathlib.Path(directory).expanduser() / name
  source = (_FOLDER / f'{template}.py').read_text(encoding='utf-8')
  space = _FOLDER / f'{template}.json'
  try:
    folder.mkdir(parents=True)
    (folder / 'submission.py').write_text(
      source.replace(_PLACEHOLDER, name), encoding='utf-8'
    )
    if space.is_file():
      shutil.copyfile(space, folder / 'tuning_search_space.json')
  except FileExistsError as error:
    raise spec.UsageError(
      f'{error.filename} exists and is left alone: use another name.'
    ) from error
  except OSError as error:
    raise spec.UsageError(
      f'Cannot write {folder}: {error.strerror}; use another --dir.'
    ) from error
  return folder
