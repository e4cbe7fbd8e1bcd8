"""Where submissions are: from what a user calls one to its files.

Nothing of a submission runs here, and nothing heavy is imported.
"""

import ast
from collections.abc import Iterable, Iterator
import contextlib
import dataclasses
import difflib
import hashlib
import importlib.util
import os
import pathlib

from algoperf import module_file, source_tree, spec

_SPACE_FILE = 'tuning_search_space.json'
_MODULE_FILES = ('submission.py', '__init__.py')
_INNER_FOLDERS = ('jax', 'submission', 'src')  # These name no submission.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
  """Where a submission is on disk."""

  name: str  # Of its folder, or of its file where that says more.
  path: pathlib.Path  # The module.
  digest: str  # SHA-256 of its folder's .py and .json files, and neighbours.
  search_space: pathlib.Path | None  # Beside it, or where it has its name.


def names() -> list[str]:
  """The submissions that come with this package."""
  return sorted(
    folder.name
    for folder in _installed().iterdir()
    if (folder / 'submission.py').is_file()
  )


def locate(reference: str) -> Source:
  """Finds a submission.

  Args:
    reference: a Python file, a folder that holds submission.py, the name of a
      folder in the installed `submissions` package, or a dotted module.

  Raises:
    UsageError: nothing there; names the near matches.
  """
  for candidate in _candidates(reference):
    if candidate.is_file() and candidate.suffix == '.py':
      return _source(candidate.resolve())
    for file in _MODULE_FILES:
      if (candidate / file).is_file():
        return _source((candidate / file).resolve())
  stem = pathlib.PurePath(reference).stem or reference
  near = difflib.get_close_matches(stem, names(), n=3)
  hint = f'Did you mean {" or ".join(near)}? ' if near else ''
  raise spec.UsageError(
    f'No submission at {reference!r}. {hint}Give a Python file, a folder with '
    f'submission.py, or one of: {", ".join(names())}.'
  )


def summary(source: Source) -> str:
  """The first line of the module's docstring, without running it."""
  docstring = ast.get_docstring(module_file.parse(source.path)) or ''
  return docstring.partition('\n')[0]


def _installed() -> pathlib.Path:
  found = importlib.util.find_spec('submissions')
  return pathlib.Path(found.submodule_search_locations[0])


def _candidates(reference: str) -> Iterator[pathlib.Path]:
  """Paths that a reference may mean, the likeliest first."""
  if not reference:
    return
  yield pathlib.Path(reference).expanduser()
  parts = reference.split('.')
  if not all(part.isidentifier() for part in parts):
    return
  yield _installed().joinpath(*parts)
  if len(parts) == 1:
    return  # Some installed package is not meant to be a submission.
  try:
    package = importlib.util.find_spec(parts[0])  # Does not import it.
  except (ImportError, ValueError):
    return
  for root in (package and package.submodule_search_locations) or ():
    yield pathlib.Path(root, *parts[1:])
    yield pathlib.Path(root, *parts[1:]).with_suffix('.py')


def _source(path: pathlib.Path) -> Source:
  in_folder = path.name in _MODULE_FILES
  folders = [path.parent]
  while in_folder and folders[-1].name in _INNER_FOLDERS:
    folders.append(folders[-1].parent)
  spaces = [folder / _SPACE_FILE for folder in folders]
  return Source(
    name=folders[-1].name if in_folder else path.stem,
    path=path,
    digest=_digest(path.parent, _sources(path, in_folder)),
    search_space=next(filter(pathlib.Path.is_file, spaces), None),
  )


def _sources(module: pathlib.Path, in_folder: bool) -> list[pathlib.Path]:
  """A module, the neighbours that it imports, and what its folder holds.

  Of the folder the Python files below it and the JSON files beside them: only
  beside them, because experiments may be logged below the folder.
  """
  paths = {module}
  with contextlib.suppress(spec.UsageError):  # Which `check` will raise.
    paths.update(source_tree.read(module).files)
  if in_folder:
    folder = module.parent
    modules = {
      path
      for path in folder.rglob('*.py')
      if not any(part[0] == '.' for part in path.relative_to(folder).parts)
    }
    paths |= modules
    for parent in {path.parent for path in modules}:
      paths.update(parent.glob('*.json'))
  return sorted(path for path in paths if path.is_file())


def _digest(folder: pathlib.Path, paths: Iterable[pathlib.Path]) -> str:
  digest = hashlib.sha256()
  for path in paths:
    content = path.read_bytes()
    name = pathlib.PurePath(os.path.relpath(path, folder)).as_posix()
    digest.update(f'{name}\0{len(content)}\0'.encode() + content)
  return digest.hexdigest()
