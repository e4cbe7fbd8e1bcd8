"""One Python file: what it defines, read without running it; and running it."""

import ast
from collections.abc import Iterable, Iterator
import importlib.util
import pathlib
import sys
import types

from algoperf import spec


def parse(path: pathlib.Path) -> ast.Module:
  """The syntax tree of a file.

  Raises:
    UsageError: a syntax error, with file and line, or an unreadable file.
  """
  try:
    return ast.parse(path.read_bytes(), filename=str(path))
  except SyntaxError as error:
    raise spec.UsageError(f'{path}:{error.lineno}: {error.msg}') from error
  except (OSError, ValueError) as error:
    raise spec.UsageError(f'{path}: cannot read: {error}') from error


def imports(tree: ast.Module) -> dict[str, int]:
  """The top-level packages imported anywhere in a file, and in which line."""
  lines = {}
  for node in ast.walk(tree):
    names = []
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
      names = [node.module]
    for name in names:
      lines.setdefault(name.partition('.')[0], node.lineno)
  return lines


def defined_names(body: Iterable[ast.stmt]) -> Iterator[str]:
  """Names that statements at module level bind; '*' for a star import."""
  for node in body:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
      yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
      for alias in node.names:
        yield alias.asname or alias.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
      for name in ast.walk(node):
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
          yield name.id
    else:
      for field in ('body', 'orelse', 'finalbody'):
        yield from defined_names(getattr(node, field, ()))
      for handler in getattr(node, 'handlers', ()):
        yield from defined_names(handler.body)


def load(path: pathlib.Path, package_name: str) -> types.ModuleType:
  """Runs a file as a module inside a package of its own.

  Its neighbours can be imported by name, relatively, or by their path from the
  root of their package or repository.

  Args:
    path: absolute.
    package_name: must be new to this process.

  Raises:
    Exception: whatever the file raises.
  """
  folder = path.parent
  for root in (folder, _package_root(folder), _repository_root(folder)):
    if str(root) not in sys.path:
      sys.path.append(str(root))  # Last: a neighbour must not hide a library.
  package = types.ModuleType(package_name)
  package.__path__ = [str(folder)]
  sys.modules[package_name] = package
  name = f'{package_name}.{path.stem}'
  found = importlib.util.spec_from_file_location(name, path)
  module = importlib.util.module_from_spec(found)
  sys.modules[name] = module
  try:
    found.loader.exec_module(module)
  except BaseException:
    del sys.modules[name]
    raise
  return module


def _package_root(folder: pathlib.Path) -> pathlib.Path:
  """The nearest folder, upwards, that is not part of a package."""
  while (folder / '__init__.py').is_file():
    folder = folder.parent
  return folder


def _repository_root(folder: pathlib.Path) -> pathlib.Path:
  """The nearest folder, upwards, that looks like a repository's."""
  for parent in (folder, *folder.parents):
    if any((parent / mark).exists() for mark in ('.git', 'pyproject.toml')):
      return parent
  return folder
