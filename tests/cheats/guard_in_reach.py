"""Looks for the guard in all that it is lent, attribute by attribute."""

import types

import optax

_WANTED = (
  *('Guard', 'Audit', 'Charges', 'References'),
  *('SubmissionClock', 'ScalarBuffer'),
)
_LEADS_ON = (
  types.FunctionType,
  types.MethodType,
  types.BuiltinMethodType,
  types.GeneratorType,
)
_SEEN = {}


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def _search(thing, depth):
  if id(thing) in _SEEN or depth > 6:
    return
  _SEEN[id(thing)] = thing
  kind = type(thing)
  assert kind.__name__ not in _WANTED, f'found a {kind.__name__}'
  for part in _parts(thing):
    _search(part, depth + 1)


def _parts(thing):
  if isinstance(thing, list | tuple | set):
    yield from thing
  elif isinstance(thing, dict):
    yield from thing.values()
  elif isinstance(thing, _LEADS_ON):
    yield from (
      c.cell_contents for c in getattr(thing, '__closure__', ()) or ()
    )
    for name in ('__self__', '__func__', '__wrapped__', '__dict__'):
      yield getattr(thing, name, None)
  elif type(thing).__module__.startswith(('algoperf', 'tests')):
    for name in dir(thing):
      yield getattr(thing, name, None)


def data_selection(workload, input_queue, *_):
  if not _SEEN:
    _search(workload.metrics_logger, 0)
    _search(input_queue, 0)
    _search(list(vars(type(workload)).values()), 0)
  return next(input_queue)
