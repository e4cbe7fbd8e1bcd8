"""What belongs to others and is set, or deleted, by a submission."""

import ast
from collections.abc import Iterator

from algoperf import spec
from algoperf.lint.view import Breach, View, root, words

_LENT = ('workload', 'eval_results', 'train_state', 'input_queue')
_MUTATORS = words(
  'append extend insert remove pop clear update setdefault sort'
)
_SETTERS = ('builtins.setattr', 'builtins.delattr')
_BARE_SETTERS = frozenset(
  f'builtins.{kind}.{name}'
  for kind in ('object', 'type')
  for name in ('__setattr__', '__delattr__')
)


def check(view: View) -> Iterator[Breach]:
  """Assignments, deletions, and calls that come to the same."""
  for node in view.nodes:
    for target in _targets(node):
      if text := _altered(view, target):
        yield view.breach(target, 'patching', f'alters {text}')
    if isinstance(node, ast.Call) and (text := _called(view, node)):
      yield view.breach(node, 'patching', f'alters {text}')


def _targets(node: ast.AST) -> Iterator[ast.expr]:
  match node:
    case ast.Assign(targets=targets) | ast.Delete(targets=targets):
      todo = list(targets)
    case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
      todo = [target]
    case ast.For(target=target):
      todo = [target]
    case ast.With(items=items):
      todo = [item.optional_vars for item in items if item.optional_vars]
    case _:
      return
  for target in todo:
    if isinstance(target, ast.Tuple | ast.List):
      todo += target.elts
    elif isinstance(target, ast.Attribute | ast.Subscript):
      yield target


def _altered(view: View, target: ast.Attribute | ast.Subscript) -> str | None:
  """What a target belongs to, if that is another's."""
  if isinstance(target, ast.Attribute) and target.attr in (
    '__class__',
    '__code__',
    '__bases__',
  ):
    return ast.unparse(target)
  outer = view.dotted(target.value)
  if outer and outer[0] != '.':
    if outer.startswith(('os.environ', 'jax.config')):
      return None  # Which has a rule of its own.
    return view.dotted(target) or f'{outer}[…]'
  return _lent(target)


def _lent(target: ast.expr) -> str | None:
  """The expression, if it is part of what a submission is only lent.

  A note of its own may be put on a workload, which is its own copy.
  """
  if root(target) not in _LENT:
    return None
  match target:
    case ast.Attribute(value=ast.Name(id='workload'), attr=name):
      if name[0] != '_' and not hasattr(spec.Workload, name):
        return None
  return ast.unparse(target)


def _called(view: View, call: ast.Call) -> str | None:
  function = view.dotted(call.func)
  if function in _SETTERS and call.args:
    thing, *rest = call.args
    named = [a.value for a in rest[:1] if isinstance(a, ast.Constant)]
    target = ast.Attribute(thing, named[0]) if named else thing
    if isinstance(target, ast.Attribute):
      return _altered(view, target)
    return view.dotted(thing) or _lent(ast.Subscript(thing, thing))
  if function in _BARE_SETTERS and call.args:
    thing = call.args[0]
    own = isinstance(thing, ast.Name) and thing.id in ('self', 'cls')
    return None if own else f'{ast.unparse(thing)} by {ast.unparse(call.func)}'
  match call.func:
    case ast.Attribute(value=thing, attr=name) if name in _MUTATORS:
      if root(thing) in ('workload', 'eval_results'):
        return ast.unparse(thing)
      outer = view.dotted(thing) if _is_namespace(thing) else None
      return outer and f'{outer}.__dict__'
  return None


def _is_namespace(node: ast.expr) -> bool:
  match node:
    case ast.Attribute(attr='__dict__') | ast.Call(func=ast.Name(id='vars')):
      return True
  return False
