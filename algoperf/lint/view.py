"""One file of a submission, as rules look at it."""

import ast
import builtins
from collections.abc import Collection, Iterator
import dataclasses
import os
import pathlib

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True, order=True)
class Breach:
  """One place that breaks a rule."""

  file: pathlib.Path
  line: int
  rule: str
  text: str

  def __str__(self) -> str:
    return f'{os.path.relpath(self.file)}:{self.line}: {self.text}'


class View:
  """A syntax tree whose names are known by what they stand for."""

  def __init__(
    self,
    path: pathlib.Path,
    module: ast.Module,
    *,
    main: bool,
    neighbours: Collection[str],
    workloads: Collection[str],
    hyperparameters: Collection[str] | None,
  ):
    """Looks once at everything.

    Args:
      path: of the file.
      module: its syntax tree.
      main: whether the submission's functions are to be here.
      neighbours: modules that belong to the submission as well.
      workloads: names of workloads.
      hyperparameters: names of hyperparameters; None if not known.
    """
    self.path = path
    self.module = module
    self.main = main
    self.workloads = workloads
    self.hyperparameters = hyperparameters
    self.nodes = list(ast.walk(module))
    self._neighbours = neighbours
    self._stored = set(_stored(self.nodes))
    self._bound: dict[str, str] = {}
    self._bind_imports()
    self._bind_aliases()

  def breach(self, node: ast.AST, rule: str, text: str) -> Breach:
    return Breach(self.path, getattr(node, 'lineno', 1), rule, text)

  def of_type(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in self.nodes if isinstance(node, kinds))

  def dotted(self, node: ast.AST | None) -> str | None:
    """What an expression stands for, as 'time.monotonic', if it is imported.

    Sees through aliases, getattr, vars, sys.modules and import_module. The
    names of neighbours begin with a dot.
    """
    match node:
      case ast.Name(id=name):
        if name in self._bound:
          return self._bound[name]
        builtin = hasattr(builtins, name) and name not in self._stored
        return f'builtins.{name}' if builtin else None
      case ast.Attribute(value=value, attr=name):
        if name == '__dict__':
          return self.dotted(value)
        return _joined(self.dotted(value), name)
      case ast.Subscript(value=value, slice=ast.Constant(value=str(name))):
        outer = self.dotted(value)
        return name if outer == 'sys.modules' else _joined(outer, name)
      case ast.Call(func=function, args=[*arguments]):
        return self._of_call(self.dotted(function), arguments)
    return None

  def _of_call(
    self, function: str | None, arguments: list[ast.expr]
  ) -> str | None:
    match function, arguments:
      case (
        'importlib.import_module' | 'builtins.__import__',
        [ast.Constant(value=str(name)), *_],
      ):
        return name
      case 'builtins.getattr', [thing, ast.Constant(value=str(name)), *_]:
        return _joined(self.dotted(thing), name)
      case 'builtins.vars', [thing]:
        return self.dotted(thing)
    return None

  def stores(self, name: str) -> bool:
    """Whether the file gives a variable a value of its own."""
    return any(
      isinstance(node, ast.Name)
      and node.id == name
      and isinstance(node.ctx, ast.Store)
      for node in self.nodes
    )

  def function(self, name: str) -> Function | None:
    """The function of that name at module level, the last one."""
    found = None
    for node in self.module.body:
      if isinstance(node, Function) and node.name == name:
        found = node
    return found

  def _bind_imports(self) -> None:
    for node in self.nodes:
      if isinstance(node, ast.Import):
        for alias in node.names:
          top = alias.name.partition('.')[0]
          name = alias.name if alias.asname else top
          own = alias.name in self._neighbours
          self._bound[alias.asname or top] = f'.{name}' if own else name
      elif isinstance(node, ast.ImportFrom):
        module = '.' * node.level + (node.module or '')
        if module in self._neighbours:
          module = f'.{module}'
        for alias in node.names:
          self._bound[alias.asname or alias.name] = f'{module}.{alias.name}'

  def _bind_aliases(self) -> None:
    for _ in range(2):  # An alias of an alias.
      for node in self.nodes:
        match node:
          case ast.Assign(targets=[ast.Name(id=name)], value=value):
            known = self.dotted(value)
            if known and name not in self._bound:
              self._bound[name] = known


def words(text: str) -> frozenset[str]:
  return frozenset(text.split())


def root(node: ast.AST) -> str | None:
  """The variable that an expression is a part of: workload, of its goal."""
  while True:
    match node:
      case ast.Name(id=name):
        return name
      case ast.Attribute(value=inner) | ast.Subscript(value=inner):
        node = inner
      case ast.Call(
        func=ast.Name(id='type' | 'vars' | 'getattr' | 'super'),
        args=[inner, *_],
      ):
        node = inner
      case _:
        return None


def docstrings(nodes: Collection[ast.AST]) -> set[int]:
  """The ids of constants that stand alone: documentation."""
  return {
    id(node.value)
    for node in nodes
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
  }


def _joined(outer: str | None, name: str) -> str | None:
  return outer and f'{outer}.{name}'


def _stored(nodes: Collection[ast.AST]) -> Iterator[str]:
  """Names that a file gives a meaning of its own."""
  for node in nodes:
    match node:
      case ast.Name(id=name, ctx=ast.Store()):
        yield name
      case ast.arg(arg=name) | ast.FunctionDef(name=name):
        yield name
      case ast.ClassDef(name=name):
        yield name
