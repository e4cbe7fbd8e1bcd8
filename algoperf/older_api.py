"""Names that submissions for AlgoPerf 0.5 and 0.6 use and that are gone.

Those submissions were written for jax 0.4 to 0.7 and optax 0.1 to 0.2.2. Where
a name has an exact successor, that stands in for it, in the process that runs
the submission and only if the submission uses it; what stood in is reported.
Nothing stands in for what has no exact successor.
"""

from collections.abc import Sequence
import contextlib
import dataclasses
import importlib
import inspect
import sys
import types
from typing import Any
import warnings

from algoperf import source_tree

_LIBRARIES = ('jax', 'flax', 'optax', 'chex', 'numpy')
_OURS = source_tree.HARNESS_NAMES

_TREES = ('flatten', 'leaves', 'map', 'structure', 'transpose', 'unflatten')
_JAXPRS = ('ClosedJaxpr', 'Jaxpr', 'JaxprEqn', 'Literal', 'Primitive', 'Var')
_MOMENTS = (
  'bias_correction',
  'update_infinity_moment',
  'update_moment',
  'update_moment_per_elem_norm',
)
SUCCESSORS = {
  **{f'jax.tree_{name}': f'jax.tree_util.tree_{name}' for name in _TREES},
  **{f'jax.core.{name}': f'jax.extend.core.{name}' for name in _JAXPRS},
  'jax.config.config': 'jax.config',
  'jax.core.get_aval': 'jax.typeof',
  'jax.device_put_replicated': f'{__name__}.device_put_replicated',
  'jax.device_put_sharded': f'{__name__}.device_put_sharded',
  'jax.experimental.PartitionSpec': 'jax.sharding.PartitionSpec',
  'jax.experimental.pjit.PartitionSpec': 'jax.sharding.PartitionSpec',
  'jax.lax.zeros_like_array': 'jax.numpy.zeros_like',
  'jax.lib.xla_bridge': 'jax.extend.backend',
  'jax.linear_util': 'jax.extend.linear_util',
  'jax.nn.normalize': 'jax.nn.standardize',
  'jax.numpy.DeviceArray': 'jax.Array',
  'jax.numpy.clip(a_max=)': f'{__name__}.clip',
  'jax.numpy.clip(a_min=)': f'{__name__}.clip',
  'jax.numpy.fix': 'jax.numpy.trunc',
  'jax.numpy.in1d': 'jax.numpy.isin',
  'jax.numpy.product': 'jax.numpy.prod',
  'jax.numpy.round_': 'jax.numpy.round',
  'jax.numpy.row_stack': 'jax.numpy.vstack',
  'jax.numpy.trapz': 'jax.numpy.trapezoid',
  'jax.random.KeyArray': 'jax.Array',
  'jax.random.PRNGKeyArray': 'jax.Array',
  'numpy.Inf': 'numpy.inf',
  'numpy.NaN': 'numpy.nan',
  'numpy.float_': 'numpy.float64',
  'numpy.in1d': 'numpy.isin',
  'numpy.product': 'numpy.prod',
  'numpy.row_stack': 'numpy.vstack',
  'numpy.trapz': 'numpy.trapezoid',
  'optax.additive_weight_decay': 'optax.add_decayed_weights',
  **{
    f'optax._src.transform.{name}': f'optax.tree_utils.tree_{name}'
    for name in _MOMENTS
  },
  'optax._src.alias.ScalarOrSchedule': 'optax.ScalarOrSchedule',
  'optax._src.transform.safe_int32_increment': 'optax.safe_increment',
  'optax._src.utils.cast_tree': 'optax.tree_utils.tree_cast',
  'optax._src.utils.global_norm': 'optax.global_norm',
  **{
    f'optax._src.{module}._scale_by_learning_rate': (
      'optax.scale_by_learning_rate'
    )
    for module in ('alias', 'transform')
  },
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Note:
  """A name that a submission uses and that is gone."""

  use: source_tree.Use
  successor: str | None  # What stands in for it, if anything does.

  def __str__(self) -> str:
    outcome = 'nothing stands in for it'
    if self.successor is not None:
      outcome = f'{self.successor} stands in'
    return f'{self.use}: {self.use.name} is gone: {outcome}'


def adapt(tree: source_tree.SourceTree) -> list[Note]:
  """Puts successors in the place of what a submission uses and is gone.

  Imports libraries that the submission imports, but nothing of its own.
  """
  notes, gone = _rename_harness(tree), []
  for name in sorted(tree.names, key=len):  # A module before what is in it.
    if name.startswith(tuple(f'{outer}.' for outer in gone)):
      continue
    if _is_gone(name):
      gone.append(name)
      successor = SUCCESSORS.get(name)
      if successor is not None:
        _put(name.partition('(')[0], resolve(successor))
      notes.append(Note(use=tree.names[name], successor=successor))
  return notes


def _rename_harness(tree: source_tree.SourceTree) -> list[Note]:
  """Makes the harness importable by its older name, if that is used."""
  notes = []
  for name in sorted(tree.names, key=len):
    ours = source_tree.harness_module(name)
    if ours is None or name.partition('.')[0] == 'algoperf':
      continue
    with contextlib.suppress(ImportError):  # What a module holds is none.
      sys.modules[name] = importlib.import_module(ours)
      notes.append(Note(use=tree.names[name], successor=ours))
  return notes[:1]


def _is_gone(name: str) -> bool:
  """Whether a name of a library, or a keyword, is unknown to the installed."""
  called, _, keyword = name.partition('(')
  if name.partition('.')[0] not in (*_LIBRARIES, *_OURS):
    return False
  if keyword:
    if name not in SUCCESSORS:
      return False
    return keyword[:-2] not in inspect.signature(resolve(called)).parameters
  with warnings.catch_warnings(action='ignore'):
    try:
      holder = resolve(name.rpartition('.')[0] or name)
      # What is no module may be a variable of the same name.
      if name in SUCCESSORS or isinstance(holder, types.ModuleType):
        resolve(name)
    except ImportError:
      return True
    except Exception:  # Something is there that does not like to be looked at.
      return False
  return False


def resolve(name: str) -> Any:
  """What a dotted name stands for.

  Raises:
    ImportError: there is no such thing.
  """
  top, *rest = name.split('.')
  found, path = importlib.import_module(top), top
  for part in rest:
    path = f'{path}.{part}'
    try:
      found = getattr(found, part)
    except AttributeError:
      found = importlib.import_module(path)
  return found


def _put(name: str, value: Any) -> None:
  """Makes a value available by a dotted name, also to import statements."""
  outer, _, last = name.rpartition('.')
  try:
    module = importlib.import_module(outer)
  except ImportError:
    module = sys.modules[outer] = types.ModuleType(outer)
  setattr(module, last, value)
  if isinstance(value, types.ModuleType):
    sys.modules[name] = value


def device_put_replicated(tree: Any, devices: Sequence[Any]) -> Any:
  """Copies of each array, one for each device, along a new first axis."""
  from flax import jax_utils

  return jax_utils.replicate(tree, devices)


def device_put_sharded(shards: Sequence[Any], devices: Sequence[Any]) -> Any:
  """Trees of arrays, one for each device, as one along a new first axis."""
  import jax
  import numpy as np

  mesh = jax.sharding.Mesh(np.array(devices), ('device',))
  sharding = jax.NamedSharding(mesh, jax.P('device'))
  return jax.tree.map(
    lambda *leaves: jax.device_put(np.stack(leaves), sharding), *shards
  )


def clip(
  arr: Any,
  min: Any = None,
  max: Any = None,
  *,
  a_min: Any = None,
  a_max: Any = None,
) -> Any:
  """`jax.numpy.clip`, whose bounds were called a_min and a_max before."""
  import jax.numpy as jnp

  lower = a_min if min is None else min
  upper = a_max if max is None else max
  if lower is not None:
    arr = jnp.maximum(lower, arr)
  if upper is not None:
    arr = jnp.minimum(upper, arr)
  return jnp.asarray(arr)
