"""Runs the code of a submission, as one module among its neighbours."""

import importlib.util
import sys
import types

from algoperf import source_tree


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
    if str(folder) not in sys.path:
      sys.path.append(str(folder))  # Last: a neighbour must not hide a library.
  for top, folder in tree.extensions.items():
    importlib.import_module(top).__path__.insert(0, str(folder))
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
