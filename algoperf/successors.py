"""What stands in for names of libraries that are gone: exact successors only.

Keys are dotted names, or a call with a keyword: 'jax.numpy.clip(a_min=)'. The
functions at the end are for what has a successor that is called otherwise.
"""

from collections.abc import Sequence
from typing import Any

_TREES = ('flatten', 'leaves', 'map', 'structure', 'transpose', 'unflatten')
_JAXPRS = ('ClosedJaxpr', 'Jaxpr', 'JaxprEqn', 'Literal', 'Primitive', 'Var')
_MOMENTS = (
  'bias_correction',
  'update_infinity_moment',
  'update_moment',
  'update_moment_per_elem_norm',
)
_JAX = {
  **{f'jax.tree_{name}': f'jax.tree_util.tree_{name}' for name in _TREES},
  **{f'jax.core.{name}': f'jax.extend.core.{name}' for name in _JAXPRS},
  'jax.config.config': 'jax.config',
  'jax.core.get_aval': 'jax.typeof',
  'jax.device_put_replicated': f'{__name__}.device_put_replicated',
  'jax.device_put_sharded': f'{__name__}.device_put_sharded',
  'jax.experimental.PartitionSpec': 'jax.sharding.PartitionSpec',
  'jax.experimental.maps.Mesh': 'jax.sharding.Mesh',
  'jax.experimental.optimizers': 'jax.example_libraries.optimizers',
  'jax.experimental.pjit.PartitionSpec': 'jax.sharding.PartitionSpec',
  'jax.experimental.pjit.with_sharding_constraint': (
    'jax.lax.with_sharding_constraint'
  ),
  'jax.interpreters.pxla.PartitionSpec': 'jax.sharding.PartitionSpec',
  'jax.interpreters.pxla.ShardedDeviceArray': 'jax.Array',
  'jax.interpreters.xla.DeviceArray': 'jax.Array',
  'jax.lax.zeros_like_array': 'jax.numpy.zeros_like',
  'jax.lib.xla_bridge': 'jax.extend.backend',
  'jax.linear_util': 'jax.extend.linear_util',
  'jax.nn.normalize': 'jax.nn.standardize',
  'jax.numpy.DeviceArray': 'jax.Array',
  'jax.numpy.alltrue': 'jax.numpy.all',
  'jax.numpy.clip(a_max=)': f'{__name__}.clip',
  'jax.numpy.clip(a_min=)': f'{__name__}.clip',
  'jax.numpy.cumproduct': 'jax.numpy.cumprod',
  'jax.numpy.fix': 'jax.numpy.trunc',
  'jax.numpy.in1d': 'jax.numpy.isin',
  'jax.numpy.product': 'jax.numpy.prod',
  'jax.numpy.round_': 'jax.numpy.round',
  'jax.numpy.row_stack': 'jax.numpy.vstack',
  'jax.numpy.sometrue': 'jax.numpy.any',
  'jax.numpy.trapz': 'jax.numpy.trapezoid',
  'jax.random.KeyArray': 'jax.Array',
  'jax.random.PRNGKeyArray': 'jax.Array',
  'jax.sharding.use_mesh': 'jax.set_mesh',
  'jax.tree_multimap': 'jax.tree_util.tree_map',
  'jax.tree_util.tree_multimap': 'jax.tree_util.tree_map',
}
_OPTAX = {
  'optax.MaybeUpdateState': 'optax.transforms.ConditionallyTransformState',
  'optax.additive_weight_decay': 'optax.add_decayed_weights',
  'optax.maybe_update': 'optax.transforms.conditionally_transform',
  'optax.unitwise_clip': 'optax.transforms.unitwise_clip',
  'optax.unitwise_norm': 'optax.transforms.unitwise_norm',
  **{f'optax.{name}': f'optax.tree_utils.tree_{name}' for name in _MOMENTS},
  **{
    f'optax._src.transform.{private}{name}': f'optax.tree_utils.tree_{name}'
    for name in _MOMENTS
    for private in ('', '_')
  },
  **{
    f'optax._src.{module}._scale_by_learning_rate': (
      'optax.scale_by_learning_rate'
    )
    for module in ('alias', 'transform')
  },
  'optax._src.alias.ScalarOrSchedule': 'optax.ScalarOrSchedule',
  'optax._src.clipping': 'optax.transforms._clipping',
  'optax._src.loss': 'optax.losses',
  'optax._src.transform.safe_int32_increment': 'optax.safe_increment',
  'optax._src.utils.cast_tree': 'optax.tree_utils.tree_cast',
  'optax._src.utils.global_norm': 'optax.global_norm',
}
_NUMPY = {
  'numpy.Inf': 'numpy.inf',
  'numpy.Infinity': 'numpy.inf',
  'numpy.NAN': 'numpy.nan',
  'numpy.NaN': 'numpy.nan',
  'numpy.PINF': 'numpy.inf',
  'numpy.alltrue': 'numpy.all',
  'numpy.bool8': 'numpy.bool_',
  'numpy.complex_': 'numpy.complex128',
  'numpy.cumproduct': 'numpy.cumprod',
  'numpy.float': 'builtins.float',
  'numpy.float_': 'numpy.float64',
  'numpy.in1d': 'numpy.isin',
  'numpy.infty': 'numpy.inf',
  'numpy.int': 'builtins.int',
  'numpy.object': 'builtins.object',
  'numpy.product': 'numpy.prod',
  'numpy.round_': 'numpy.round',
  'numpy.row_stack': 'numpy.vstack',
  'numpy.sometrue': 'numpy.any',
  'numpy.string_': 'numpy.bytes_',
  'numpy.trapz': 'numpy.trapezoid',
  'numpy.unicode_': 'numpy.str_',
}
_CHEX = {'chex.assert_tree_all_close': 'chex.assert_trees_all_close'}
SUCCESSORS = {**_JAX, **_OPTAX, **_NUMPY, **_CHEX}


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
