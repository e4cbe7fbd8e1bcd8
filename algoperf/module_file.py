"""One Python file: what it defines, read without running it."""

import ast
from collections.abc import Iterable, Iterator
import pathlib

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
