"""Whether functions can be called as they will be, and give what they must."""

import ast
from collections.abc import Iterator

from algoperf.lint.view import Breach, Function, View

_PREPARE = (
  'workload',
  'current_param_container',
  'current_params_types',
  'model_state',
  'hyperparameters',
  'loss_type',
  'optimizer_state',
  'eval_results',
  'global_step',
  'rng',
)
# Called by position: what AlgoPerf calls the arguments matters to nobody.
_BY_POSITION = {
  'optimizer': ('hyperparameters', 'step_hint'),
  'get_batch_size': ('workload_name',),
  'init_optimizer_state': (
    'workload',
    'model_params',
    'model_state',
    'hyperparameters',
    'rng',
  ),
  'data_selection': (
    'workload',
    'input_queue',
    'optimizer_state',
    'current_param_container',
    'model_state',
    'hyperparameters',
    'global_step',
    'rng',
  ),
  'eval_params': ('opt_state', 'params'),
}
_BY_KEYWORD = {
  'update_params': (*_PREPARE, 'batch'),
  'prepare_for_eval': _PREPARE,
}
_OPTIONAL = {
  'update_params': ('train_state',),
  'optimizer': ('param_types',),
}
_RETURNS = {
  'update_params': (3, '(optimizer_state, params, model_state)'),
  'prepare_for_eval': (3, '(optimizer_state, params, model_state)'),
  'init_optimizer_state': (2, '(state, update_function)'),
}


def check(view: View) -> Iterator[Breach]:
  """The functions of a submission that are written in its main file."""
  if not view.main:
    return
  for name, expected in (_BY_POSITION | _BY_KEYWORD).items():
    function = view.function(name)
    if function is None:
      continue
    called = _by_keyword if name in _BY_KEYWORD else _by_position
    problem = called(function, expected, _OPTIONAL.get(name, ()))
    if problem:
      yield view.breach(function, 'signature', f'{name} {problem}')
    if name in _RETURNS:
      yield from _returns(view, function, *_RETURNS[name])


def _by_position(
  function: Function, expected: tuple[str, ...], optional: tuple[str, ...]
) -> str | None:
  given = function.args
  names = [
    arg.arg for arg in given.posonlyargs + given.args if arg.arg not in optional
  ]
  required = len(names) - len(given.defaults)
  wanted = f'gets {len(expected)}: {", ".join(expected)}'
  if required > len(expected):
    return f'takes {len(names)} arguments by position, but {wanted}'
  if given.vararg is None and len(names) < len(expected):
    return f'takes {len(names)} arguments by position, but {wanted}'
  return _required_keyword(given, optional)


def _by_keyword(
  function: Function, expected: tuple[str, ...], optional: tuple[str, ...]
) -> str | None:
  """Called with names, so that these have to be right."""
  given = function.args
  if given.posonlyargs:
    return f'must take {given.posonlyargs[0].arg} by name'
  names = [arg.arg for arg in given.args]
  accepted = {*names, *(arg.arg for arg in given.kwonlyargs)}
  missing = [name for name in expected if name not in accepted]
  if missing and given.kwarg is None:
    return f'does not take {", ".join(missing)}, which it gets by name'
  required = names[: len(names) - len(given.defaults)]
  unknown = [n for n in required if n not in (*expected, *optional)]
  if unknown:
    return f'wants {", ".join(unknown)}, which nobody gives'
  return _required_keyword(given, (*expected, *optional))


def _required_keyword(
  given: ast.arguments, known: tuple[str, ...]
) -> str | None:
  for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
    if default is None and arg.arg not in known:
      return f'wants {arg.arg}, which nobody gives'
  return None


def _returns(
  view: View, function: Function, count: int, what: str
) -> Iterator[Breach]:
  """Returns that are plainly of another length; others only a run shows."""
  returns = list(_own_returns(function.body))
  for node in returns:
    match node.value:
      case ast.Tuple(elts=elts):
        starred = any(isinstance(elt, ast.Starred) for elt in elts)
        if starred or len(elts) == count:
          continue
        text = f'returns {len(elts)} values: must be {what}'
      case None | ast.Constant(value=None):
        text = f'returns None: must be {what}'
      case _:
        continue
    yield view.breach(node, 'signature', f'{function.name} {text}')
  if not returns and not _always_raises(function):
    yield view.breach(
      function, 'signature', f'{function.name} returns nothing: must be {what}'
    )


def _own_returns(body: list[ast.stmt]) -> Iterator[ast.Return]:
  """Not those of functions inside."""
  for node in body:
    if isinstance(node, ast.Return):
      yield node
    elif not isinstance(node, Function | ast.ClassDef):
      children = [
        child
        for child in ast.walk(node)
        if child is not node and isinstance(child, ast.stmt)
      ]
      nested = {
        id(inner)
        for child in children
        if isinstance(child, Function | ast.ClassDef)
        for inner in ast.walk(child)
      }
      yield from (
        child
        for child in children
        if isinstance(child, ast.Return) and id(child) not in nested
      )


def _always_raises(function: Function) -> bool:
  return isinstance(function.body[-1], ast.Raise)
