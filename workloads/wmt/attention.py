"""Multi-head dot-product attention, in one piece or with its keys kept.

Dimensions in array names:
  B: batch, Q: queries, S: what is attended to, M: model width, H: heads,
  D: width of a head.
"""

from flax import linen as nn
import jax
import jax.numpy as jnp

from algoperf import spec
from workloads import layers
from workloads.wmt import configs

# Each BxHxDxS: where queries are few, as in a search, products along the last
# axis are three times as fast on a CPU.
KeysValues = tuple[jax.Array, jax.Array]


class Attention(nn.Module):
  """Attention without biases (Vaswani et al. 2017, §3.2).

  Calling it is `attend(queries, *keys_values(source), mask)`; a decoder that
  goes token by token makes keys and values once and keeps them.
  """

  cfg: configs.Config

  def setup(self) -> None:
    heads = (self.cfg.heads, self.cfg.qkv_width // self.cfg.heads)
    roles = spec.ParameterType
    self.query = _projection(heads, -1, roles.ATTENTION_Q)
    self.key = _projection(heads, -1, roles.ATTENTION_K)
    self.value = _projection(heads, -1, roles.ATTENTION_V)
    self.out = _projection(self.cfg.width, (-2, -1), roles.ATTENTION_OUT)

  def __call__(
    self, x_BxQxM: jax.Array, source_BxSxM: jax.Array, mask_Bx1xQxS: jax.Array
  ) -> jax.Array:
    return self.attend(x_BxQxM, self.keys_values(source_BxSxM), mask_Bx1xQxS)

  def keys_values(self, source_BxSxM: jax.Array) -> KeysValues:
    k_BxSxHxD, v_BxSxHxD = self.key(source_BxSxM), self.value(source_BxSxM)
    return jnp.moveaxis(k_BxSxHxD, 1, -1), jnp.moveaxis(v_BxSxHxD, 1, -1)

  def attend(
    self, x_BxQxM: jax.Array, keys_values: KeysValues, mask_Bx1xQxS: jax.Array
  ) -> jax.Array:
    """Weighs values by how well their keys match; a query that may see nothing
    weighs all values equally."""
    k_BxHxDxS, v_BxHxDxS = keys_values
    q_BxQxHxD = self.query(self.cfg.attention_temp * x_BxQxM)
    q_BxQxHxD /= q_BxQxHxD.shape[-1] ** 0.5
    logits_BxHxQxS = jnp.einsum('BQHD,BHDS->BHQS', q_BxQxHxD, k_BxHxDxS)
    lowest = jnp.finfo(logits_BxHxQxS.dtype).min
    logits_BxHxQxS = jnp.where(mask_Bx1xQxS, logits_BxHxQxS, lowest)
    weights_BxHxQxS = jax.nn.softmax(logits_BxHxQxS)
    return self.out(jnp.einsum('BHQS,BHDS->BQHD', weights_BxHxQxS, v_BxHxDxS))


def _projection(
  features: int | tuple[int, int],
  axis: int | tuple[int, int],
  role: spec.ParameterType,
) -> nn.Module:
  return layers.AttentionProjection(
    features=features,
    axis=axis,
    use_bias=False,
    kernel_init=nn.initializers.xavier_uniform(),
    role=role,
  )
