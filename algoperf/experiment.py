"""The folder of an experiment: its seed, and whether it can be written."""

import os
import pathlib
import tempfile

from algoperf import files, records, spec


def seed_of(directory: pathlib.Path, asked: int | None) -> int:
  """The seed of an experiment: as asked, as before, or a fresh one."""
  if asked is not None:
    return asked
  recorded = files.read_json(directory / records.EXPERIMENT_FILE) or {}
  return recorded.get('seed', int.from_bytes(os.urandom(4)))


def write(directory: pathlib.Path, seed: int) -> None:
  """Notes the seed, so that the same command goes on with it."""
  try:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / records.EXPERIMENT_FILE
    before = files.read_json(path) or {}
    files.write_json(path, before | {'seed': seed})
  except OSError as error:
    raise _not_writable(directory, error) from error


def check_writable(directory: pathlib.Path) -> None:
  """Refuses a directory that could not be made or written; leaves no trace."""
  existing = directory
  while not existing.exists():
    existing = existing.parent
  try:
    with tempfile.TemporaryDirectory(prefix='.algoperf-', dir=existing):
      pass
  except OSError as error:
    raise _not_writable(directory, error) from error


def _not_writable(directory: pathlib.Path, error: OSError) -> spec.UsageError:
  return spec.UsageError(
    f'experiment directory {directory} cannot be written '
    f'({error.strerror}): choose another --experiment_dir.'
  )
