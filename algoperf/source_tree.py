"""The files that a submission is made of, and the names they use.

All of it is read from syntax trees: nothing of the submission runs.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import importlib.util
import pathlib
import sys

from algoperf import module_file

# The harness as submissions call it: the second was its name up to 0.5.
HARNESS_NAMES = ('algoperf', 'algorithmic_efficiency')

_Import = ast.Import | ast.ImportFrom
_PACKAGE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Use:
  """The first place where a name is used, or a module imported."""

  name: str
  file: pathlib.Path
  line: int
  required: bool = False  # Whether it is an import that nothing can skip.

  def __str__(self) -> str:
    return f'{self.file}:{self.line}'


@dataclasses.dataclass(kw_only=True)
class SourceTree:
  """A submission's module and its neighbours, read from syntax trees.

  Attributes:
    path: the submission's module.
    files: all modules that are the submission's own, by path.
    root: the lowest folder that relative imports of these stay in.
    search_path: folders from which neighbours are imported by name.
    extensions: folders by the installed package that lacks what they hold.
    imports: modules that are imported, except relatively.
    missing: those of them that are nowhere, or not in the harness.
    neighbours: those of them that are the submission's own.
    names: dotted names of imported modules' attributes, e.g. 'jax.numpy.clip'.
      A call with a keyword is one as well: 'jax.numpy.clip(a_min=)', and of
      whatever object '.loss_fn(dropout_rate=)'.
  """

  path: pathlib.Path
  files: dict[pathlib.Path, ast.Module]
  root: pathlib.Path
  search_path: list[pathlib.Path]
  extensions: dict[str, pathlib.Path]
  imports: list[Use]
  missing: list[Use]
  neighbours: set[str]
  names: dict[str, Use]


def read(path: pathlib.Path) -> SourceTree:
  """Reads a module, and whatever it imports that is not installed.

  Modules are looked for as Python finds them, and then from the folders above
  the submission, nearest first: so that a submission finds its neighbours by
  the path that they have in whichever repository it lies.

  Raises:
    UsageError: a syntax error, with file and line, or an unreadable file.
  """
  tree = SourceTree(
    path=path,
    files={},
    root=path.parent,
    search_path=[path.parent],
    extensions={},
    imports=[],
    missing=[],
    neighbours=set(),
    names={},
  )
  todo = [path]
  while todo:
    file = todo.pop(0)
    if file in tree.files:
      continue
    module = tree.files[file] = module_file.parse(file)
    for node, required in _imports(module.body):
      todo += _neighbours(tree, file, node, required)
    for name, line in _names(module):
      tree.names.setdefault(name, Use(name=name, file=file, line=line))
  return tree


def harness_module(name: str) -> str | None:
  """The name in this package for one in the harness's; None for others."""
  top, _, rest = name.partition('.')
  return f'algoperf.{rest}'.rstrip('.') if top in HARNESS_NAMES else None


def _imports(
  body: Iterable[ast.AST], required: bool = True
) -> Iterator[tuple[_Import, bool]]:
  """Imports; those at module level, outside `try` and `if`, are required."""
  for node in body:
    if isinstance(node, _Import):
      yield node, required
    else:
      yield from _imports(ast.iter_child_nodes(node), False)


def _neighbours(
  tree: SourceTree, importer: pathlib.Path, node: _Import, required: bool
) -> list[pathlib.Path]:
  """The files of the submission that an import statement runs."""
  if isinstance(node, ast.ImportFrom) and node.level:
    folder = importer.parent
    for _ in range(node.level - 1):
      folder = folder.parent
    while not folder.is_relative_to(tree.root):
      tree.root = tree.root.parent
    module = node.module.split('.') if node.module else []
    return _with_members(folder, module, node.names)
  found = []
  for name in _modules(node):
    members = node.names if isinstance(node, ast.ImportFrom) else ()
    use = Use(name=name, file=importer, line=node.lineno, required=required)
    tree.imports.append(use)
    files = _absolute(tree, name.split('.'), members)
    if files is None:
      tree.missing.append(use)
    elif files:
      tree.neighbours.add(name)
    found += files or []
  return found


def _modules(node: _Import) -> list[str]:
  """The modules that an absolute import names; of the harness, members too."""
  if isinstance(node, ast.Import):
    return [alias.name for alias in node.names]
  if node.module in HARNESS_NAMES:
    return [f'{node.module}.{alias.name}' for alias in node.names]
  return [node.module]


def _absolute(
  tree: SourceTree, parts: Sequence[str], members: Iterable[ast.alias]
) -> list[pathlib.Path] | None:
  """A module's files if it is a neighbour; [] if installed; None if missing."""
  top = parts[0]
  if top in HARNESS_NAMES:
    return [] if _file(_PACKAGE, parts[1:]) else None
  if top in sys.stdlib_module_names or top == '__main__':
    return []
  above = (tree.path.parent, *tree.path.parent.parents)
  installed = _installed(top)
  if installed is not None:
    # What lies above the submission is its repository, importable or not.
    elsewhere = [place for place in installed if place.parent not in above]
    if any(
      _file(place.parent, [place.name, *parts[1:]]) for place in elsewhere
    ):
      return []
  for folder in above:
    if files := _with_members(folder, parts, members):
      if installed is None and folder not in tree.search_path:
        tree.search_path.append(folder)
      elif installed is not None and folder / top not in installed:
        tree.extensions[top] = folder / top
      return files
  return None if installed is None else []


def _installed(top: str) -> list[pathlib.Path] | None:
  """The folders of an importable package, or a single module without .py."""
  try:
    found = importlib.util.find_spec(top)  # Does not import it.
  except (ImportError, ValueError):
    return None
  if found is None:
    return None
  if found.submodule_search_locations is None:
    return [pathlib.Path(found.origin or top).with_suffix('')]
  return [pathlib.Path(p) for p in found.submodule_search_locations]


def _with_members(
  folder: pathlib.Path, parts: Sequence[str], members: Iterable[ast.alias]
) -> list[pathlib.Path]:
  """Files of a module, of the packages around it and of members imported."""
  names = [[*parts, alias.name] for alias in members]
  found = [_file(folder, path) for path in ([*parts], *names)]
  if not any(found):
    return []
  outer = [_file(folder, parts[:depth]) for depth in range(1, len(parts))]
  return [path for path in outer + found if path]


def _file(folder: pathlib.Path, parts: Sequence[str]) -> pathlib.Path | None:
  """The file of a module or package below a folder, or None."""
  inside = folder.joinpath(*parts)
  candidates = [inside / '__init__.py']
  if parts:
    candidates.append(inside.parent / f'{inside.name}.py')
  return next((path for path in candidates if path.is_file()), None)


def _names(module: ast.Module) -> Iterator[tuple[str, int]]:
  """Dotted names that a module uses of what it imports, and in which line."""
  bound = {}
  for node in ast.walk(module):
    if isinstance(node, ast.Import):
      for alias in node.names:
        top = alias.name.partition('.')[0]
        bound[alias.asname or top] = alias.name if alias.asname else top
        yield alias.name, node.lineno
    elif isinstance(node, ast.ImportFrom) and not node.level:
      yield node.module, node.lineno
      for alias in node.names:
        bound[alias.asname or alias.name] = f'{node.module}.{alias.name}'
        yield f'{node.module}.{alias.name}', node.lineno
  for node in ast.walk(module):
    if isinstance(node, ast.Attribute) and (name := _dotted(node, bound)):
      yield name, node.lineno
    elif isinstance(node, ast.Call):
      called = _dotted(node.func, bound)
      if called is None and isinstance(node.func, ast.Attribute):
        called = f'.{node.func.attr}'
      for keyword in node.keywords:
        if called and keyword.arg:
          yield f'{called}({keyword.arg}=)', node.lineno


def _dotted(node: ast.expr, bound: dict[str, str]) -> str | None:
  """The full name of an attribute of something imported, or None."""
  if isinstance(node, ast.Name):
    return bound.get(node.id)
  if isinstance(node, ast.Attribute):
    outer = _dotted(node.value, bound)
    return outer and f'{outer}.{node.attr}'
  return None
