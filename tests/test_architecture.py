"""Which way imports point, as the design draws it."""

import ast
from collections.abc import Iterator
import pathlib

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGES = ('algoperf', 'workloads', 'submissions', 'scoring')

# What each package may import of the others, and what only inside functions.
_ALLOWED = {
  'algoperf': set(),
  'workloads': {'algoperf.spec'},
  'submissions': {'algoperf.spec'},
  'scoring': {
    'algoperf.benchmark',
    'algoperf.checked_toml',
    'algoperf.ledger',
    'algoperf.records',
    'algoperf.spec',
  },
}
_ALLOWED_INSIDE = {'algoperf': {'workloads.registry', 'scoring'}}
# Grain starts no worker processes before somebody has parsed absl's flags, and
# references are compared to see whether a submission changed the environment.
_READS_FLAGS = {
  'algoperf/cli.py',
  'algoperf/command_flags.py',
  'algoperf/references.py',
  'workloads/data/ahead.py',
}


def _imports(tree: ast.AST, inside: bool = False) -> Iterator[tuple[str, bool]]:
  """Modules a file imports, and whether it does so inside a function."""
  for node in ast.iter_child_nodes(tree):
    if isinstance(node, ast.Import):
      yield from ((alias.name, inside) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      for alias in node.names:
        yield f'{node.module}.{alias.name}', inside
    else:
      function = isinstance(node, ast.FunctionDef | ast.Lambda)
      yield from _imports(node, inside or function)


def _files(package: str) -> list[pathlib.Path]:
  files = sorted((_ROOT / package).rglob('*.py'))
  assert files, f'no files in {package}'
  return [path for path in files if 'templates' not in path.parts]


@pytest.mark.parametrize('package', _PACKAGES)
def test_imports_point_one_way(package):
  wrong = []
  for path in _files(package):
    for module, inside in _imports(ast.parse(path.read_text())):
      top = module.partition('.')[0]
      allowed = _ALLOWED[package] | (
        _ALLOWED_INSIDE.get(package, set()) if inside else set()
      )
      known = any(
        module == name or module.startswith(f'{name}.') for name in allowed
      )
      if top in _PACKAGES and top != package and not known:
        wrong.append(f'{path.relative_to(_ROOT)} imports {module}')
  assert not wrong


@pytest.mark.parametrize('package', _PACKAGES)
def test_only_the_command_line_reads_flags_and_environment(package):
  wrong = []
  for path in _files(package):
    name = path.relative_to(_ROOT).as_posix()
    tree = ast.parse(path.read_text())
    reads = [m for m, _ in _imports(tree) if m.startswith('absl.flags')]
    reads += [
      f'os.{node.attr}'
      for node in ast.walk(tree)
      if isinstance(node, ast.Attribute) and node.attr in ('environ', 'getenv')
    ]
    if reads and name not in _READS_FLAGS:
      wrong.append(f'{name}: {reads}')
  assert not wrong


def test_the_top_level_holds_what_the_design_names():
  allowed = {*_PACKAGES, 'tests', 'scripts', 'pyproject.toml', 'README.md'}
  allowed |= {'LICENSE', 'experiments', 'data'}  # The last two are ignored.
  found = {
    path.name
    for path in _ROOT.iterdir()
    if not path.name.startswith('.') and not path.name.endswith('.egg-info')
  }
  assert found <= allowed
