"""Runs the code of a submission, as one module among its neighbours.

It is what its files say, not the bytecode beside them, which may say other
things and name any file as its own.
"""

from collections.abc import Callable
import functools
from importlib.machinery import SourceFileLoader
import importlib.util
import pathlib
import sys
import types

from algoperf import blame, source_tree

_get_cached_code = SourceFileLoader.get_code


def load(tree: source_tree.SourceTree, package_name: str) -> types.ModuleType:
  """Imports a submission's module inside a package of its own.

  Its neighbours can be imported relatively, by name, and by the path that they
  have in their repository.

  Args:
    tree: what the submission is made of.
    package_name: must be new to this process.

  Raises:
    Exception: whatever its code raises.
  """
  for folder in tree.search_path:
    _add(sys.path, folder)
  for top, folder in tree.extensions.items():
    path = importlib.import_module(top).__path__
    if isinstance(path, list):
      _add(path, folder)
    else:  # A namespace package: each of its folders is below one of sys.path.
      _add(sys.path, folder.parent)
  SourceFileLoader.get_code = _from_source(frozenset(map(str, tree.files)))
  package = types.ModuleType(package_name)
  package.__path__ = [str(tree.root)]
  sys.modules[package_name] = package
  outer = '.'.join(
    (package_name, *tree.path.parent.relative_to(tree.root).parts)
  )
  importlib.import_module(outer)
  name = f'{outer}.{tree.path.stem}'
  found = importlib.util.spec_from_file_location(name, tree.path)
  module = importlib.util.module_from_spec(found)
  sys.modules[name] = module
  try:
    found.loader.exec_module(module)
  except BaseException:
    del sys.modules[name]
    raise
  return module


def _from_source(
  own: frozenset[str],
) -> Callable[[SourceFileLoader, str], types.CodeType]:
  """How Python gets a module's code, but of what is not installed the source.

  Args:
    own: files of the submission, which may be installed, too.
  """
  installed = blame.Origins(())

  @functools.wraps(_get_cached_code)
  def get_code(self: SourceFileLoader, fullname: str) -> types.CodeType:
    path = self.get_filename(fullname)
    if path not in own and installed.of_path(path):
      return _get_cached_code(self, fullname)
    return self.source_to_code(self.get_data(path), path)

  return get_code


def _add(path: list[str], folder: pathlib.Path) -> None:
  """Adds a folder at the end: a neighbour must not hide a library."""
  if str(folder) not in path:
    path.append(str(folder))
