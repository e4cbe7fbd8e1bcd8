"""Source that behaves differently from workload to workload."""

import ast
from collections.abc import Iterator

from algoperf.lint.view import Breach, View, docstrings, root, words

_BATCH_SIZE = 'get_batch_size'
# What of a workload no two have alike. To compute with it is one thing, to
# compare it with a constant another.
_MARKS = words(
  'num_train_examples num_eval_train_examples num_validation_examples '
  'num_test_examples eval_batch_size target_metric_name '
  'validation_target_value test_target_value max_allowed_runtime_sec '
  'eval_period_time_sec step_hint train_mean train_stddev'
)
_LARGE = 1000  # Dimensions and counts above it name a model.


def check(view: View) -> Iterator[Breach]:
  """Names of workloads, and what else gives one away."""
  choosing = _of_batch_size(view)
  yield from _names(view, choosing)
  for node in view.nodes:
    match node:
      case ast.Compare(ops=ops, left=left, comparators=others):
        sides = [left, *others]
        text = _recognises(sides, ops)
      case ast.Match(subject=subject):
        text = _marks(subject) and f'a choice by {ast.unparse(subject)}'
      case ast.Subscript(slice=key, ctx=ast.Load()):
        text = _key(key)
      case ast.Call(func=ast.Attribute(attr='get'), args=[key, *_]):
        text = _key(key)
      case _:
        continue
    if text:
      yield view.breach(node, 'workload-detection', text)


def _names(view: View, choosing: set[int]) -> Iterator[Breach]:
  ignored = docstrings(view.nodes) | choosing
  for node in view.nodes:
    if id(node) in ignored:
      continue
    match node:
      case ast.Constant(value=str(text)) if _is_name(view, text):
        yield view.breach(node, 'workload-name', f'names workload {text!r}')
      case ast.Attribute(value=value, attr='name' | '__class__' | 'config'):
        if root(value) == 'workload':
          yield view.breach(node, 'workload-name', f'reads {ast.unparse(node)}')
      case ast.Call(
        func=ast.Name(id='type' | 'isinstance' | 'str' | 'repr' | 'hash'),
        args=[ast.Name(id='workload'), *_],
      ):
        yield view.breach(node, 'workload-name', f'reads {ast.unparse(node)}')
  for node in ast.walk(view.function(_BATCH_SIZE) or ast.Module([], [])):
    if isinstance(node, ast.Global | ast.Nonlocal):
      yield view.breach(
        node, 'workload-name', f'{_BATCH_SIZE} keeps what it is told'
      )


def _is_name(view: View, text: str) -> bool:
  return any(
    text == name or text.startswith(f'{name}_') for name in view.workloads
  )


def _of_batch_size(view: View) -> set[int]:
  """Nodes of get_batch_size, and of what nothing else uses at module level."""
  parts = {name: node for node in view.module.body for name in _defines(node)}
  choosing = {_BATCH_SIZE}
  while True:
    used_elsewhere = {
      part.id
      for name, node in parts.items()
      if name not in choosing
      for part in ast.walk(node)
      if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    }
    used = {
      part.id
      for name in choosing & parts.keys()
      for part in ast.walk(parts[name])
      if isinstance(part, ast.Name)
    }
    more = (used & parts.keys()) - used_elsewhere - choosing
    if not more:
      break
    choosing |= more
  return {
    id(part)
    for name in choosing & parts.keys()
    for part in ast.walk(parts[name])
  }


def _defines(node: ast.stmt) -> list[str]:
  """What a statement at module level defines; an anonymous part if nothing."""
  match node:
    case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
      return [name]
    case ast.Assign(targets=[ast.Name(id=name)]):
      return [name]
    case ast.AnnAssign(target=ast.Name(id=name)):
      return [name]
  return [f'line {node.lineno}']


def _recognises(sides: list[ast.expr], ops: list[ast.cmpop]) -> str | None:
  """Says so if a comparison tells one workload from others."""
  equal = all(
    isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in ops
  )
  shown = [ast.unparse(side)[:50] for side in sides]
  text = f'tells a workload by comparing {shown[0]} with {shown[1]}'
  for side, other in ((sides[0], sides[1]), (sides[1], sides[0])):
    if _marks(side) and _numbers(other, 1):
      return text
    if equal and _sizes(side) and _numbers(other, _LARGE):
      return text
  return None


def _key(key: ast.expr) -> str | None:
  """A table looked up by what gives a workload away."""
  if _marks(key):
    return f'looks something up by {ast.unparse(key)[:60]}'
  return None


def _marks(node: ast.expr) -> bool:
  """Whether an expression is a property of a workload, or a set of shapes."""
  match node:
    case ast.Attribute(value=value, attr=name) if name in _MARKS:
      return root(value) == 'workload'
    case ast.Call(
      func=ast.Name(id='hash' | 'str' | 'repr' | 'tuple'), args=args
    ):
      return any(
        _marks(part) or getattr(part, 'attr', '') == 'param_shapes'
        for arg in args
        for part in ast.walk(arg)
      )
  return False


def _sizes(node: ast.expr) -> bool:
  """Whether an expression is made of shapes, sizes or numbers of leaves."""
  return any(
    (
      isinstance(part, ast.Attribute)
      and part.attr in ('shape', 'size', 'param_shapes', 'shape_tuple')
    )
    or (
      isinstance(part, ast.Call)
      and isinstance(part.func, ast.Name)
      and part.func.id == 'len'
    )
    for part in ast.walk(node)
  )


def _numbers(node: ast.expr, least: int) -> bool:
  """Whether an expression is a constant, or several, with a number so large.

  A name of a metric counts as well.
  """
  constants = [
    part.value for part in ast.walk(node) if isinstance(part, ast.Constant)
  ]
  literal = all(
    isinstance(
      part,
      ast.Constant
      | ast.Tuple
      | ast.List
      | ast.Set
      | ast.Dict
      | ast.Load
      | ast.BinOp
      | ast.operator,
    )
    for part in ast.walk(node)
  )
  return literal and any(
    isinstance(value, str)
    or (
      isinstance(value, int | float)
      and not isinstance(value, bool)
      and abs(value) >= least
    )
    for value in constants
  )
