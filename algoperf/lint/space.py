"""Whether a search space and the source that reads it agree."""

import ast
from collections.abc import Iterator

from algoperf.lint.view import Breach, View

_VARIABLE = 'hyperparameters'
_OF_NAMEDTUPLES = ('_replace', '_asdict', '_fields')


def check(view: View) -> Iterator[Breach]:
  """Names that source reads, and those that depend on the workload."""
  if view.hyperparameters is None or not view.main:
    return
  for name in sorted(view.hyperparameters):
    if any(f'_{workload}_' in f'_{name}_' for workload in view.workloads):
      text = f'hyperparameter {name!r} is for one workload'
      yield view.breach(view.module, 'search-space', text)
  if view.stores(_VARIABLE):
    return  # It has others of its own.
  optional = {
    node.args[1].value
    for node in view.of_type(ast.Call)
    if isinstance(node.func, ast.Name)
    and node.func.id in ('hasattr', 'getattr')
    and len(node.args) > 1
    and isinstance(node.args[1], ast.Constant)
  }
  for node in view.of_type(ast.Attribute):
    match node:
      case ast.Attribute(value=ast.Name(id=variable), attr=name):
        known = {*view.hyperparameters, *optional, *_OF_NAMEDTUPLES}
        if variable == _VARIABLE and name not in known:
          text = f'reads hyperparameters.{name}, which no search space has'
          yield view.breach(node, 'search-space', text)
