"""Scripts as modules, for tests of what is in them."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import types

SCRIPTS = pathlib.Path(__file__).parents[1] / 'scripts'


def load(name: str) -> types.ModuleType:
  """scripts/<name> as a module, without running it."""
  alias = f'scripts_{name.replace("/", "_")}'
  loader = importlib.machinery.SourceFileLoader(alias, str(SCRIPTS / name))
  found = importlib.util.spec_from_loader(alias, loader)
  module = importlib.util.module_from_spec(found)
  sys.modules[alias] = module  # Dataclasses look it up.
  loader.exec_module(module)
  return module
