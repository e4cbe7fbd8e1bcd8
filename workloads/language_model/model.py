"""A decoder-only Transformer language model.

The model of AlgoPerf's `finewebedu_lm`, which descends from nanodo: pre-norm
residual blocks, rotary positions, normalised queries and keys, a gated MLP, and
logits from the embedding table.

Dimensions in array names:
  B: batch, L: sequence, D: model width, F: MLP width, H: heads, K: width of a
  head, V: vocabulary.
"""

from typing import ClassVar

from flax import linen as nn
import jax
import jax.numpy as jnp

from algoperf import spec
from workloads import layers
from workloads.language_model import configs

ROTARY_BASE = 500_000.0
NORM_EPSILON = 1e-6


def rotate(x_BxLxHxK: jax.Array) -> jax.Array:
  """Rotary position embedding of interleaved pairs (0, 1), (2, 3), …

  Pair i at position p turns by the angle p · 500,000^(−2i/K), in float32, so
  that a dot product of two rotated vectors depends on the distance of their
  positions only (Su et al. 2021, https://arxiv.org/abs/2104.09864, §3.4).
  """
  _, length, _, head_width = x_BxLxHxK.shape
  rate = ROTARY_BASE ** (-jnp.arange(0, head_width, 2) / head_width)
  angle = jnp.arange(length)[:, None, None] * rate  # L, 1, K/2
  cos, sin = jnp.cos(angle), jnp.sin(angle)
  even, odd = x_BxLxHxK[..., 0::2], x_BxLxHxK[..., 1::2]
  turned = (even * cos - odd * sin, even * sin + odd * cos)
  x = jnp.stack(turned, axis=-1).reshape(x_BxLxHxK.shape)
  return x.astype(x_BxLxHxK.dtype)


def _unit(x_BxLxHxK: jax.Array) -> jax.Array:
  norm = jnp.linalg.norm(x_BxLxHxK, axis=-1, keepdims=True)
  return x_BxLxHxK / (norm + NORM_EPSILON)


def _norm(cfg: configs.Config) -> nn.Module:
  kind = {'rms': layers.RMSNorm, 'layer': layers.LayerNorm}[cfg.norm]
  return kind(epsilon=NORM_EPSILON)


class CausalAttn(nn.Module):
  """Causal self-attention without biases.

  Queries and keys are rotated, then divided by their norms (Henry et al. 2020,
  https://arxiv.org/abs/2010.04245); one learned number scales the queries.
  Without `qk_norm` the scale is the usual 1/√K.
  """

  cfg: configs.Config
  # A gain that follows a normalisation, not a matrix.
  param_types: ClassVar[layers.Types] = {
    'attn_scale': spec.ParameterType.LAYER_NORM_SCALE
  }

  @nn.compact
  def __call__(self, x_BxLxD: jax.Array) -> jax.Array:
    cfg = self.cfg
    head_width = cfg.width // cfg.heads

    def project(name: str, role: spec.ParameterType) -> jax.Array:
      return layers.AttentionProjection(
        features=(cfg.heads, head_width),
        use_bias=False,
        kernel_init=nn.initializers.normal(cfg.init_std),
        role=role,
        name=name,
      )(x_BxLxD)

    q_BxLxHxK = rotate(project('query', spec.ParameterType.ATTENTION_Q))
    k_BxLxHxK = rotate(project('key', spec.ParameterType.ATTENTION_K))
    v_BxLxHxK = project('value', spec.ParameterType.ATTENTION_V)
    if cfg.qk_norm:
      # Stored in the dtype of the computation, as in AlgoPerf: 20.0 in bfloat16
      # where the formula gives 19.9986.
      init = nn.initializers.constant(cfg.attention_scale, dtype=cfg.dtype)
      scale = self.param('attn_scale', init, ())
      q_BxLxHxK, k_BxLxHxK = scale * _unit(q_BxLxHxK), _unit(k_BxLxHxK)
    out_BxLxHxK = jax.nn.dot_product_attention(
      q_BxLxHxK,
      k_BxLxHxK,
      v_BxLxHxK,
      is_causal=True,
      scale=1.0 if cfg.qk_norm else head_width**-0.5,
      implementation=_attention_kernel(q_BxLxHxK.dtype),
    )
    return layers.AttentionProjection(
      features=cfg.width,
      axis=(-2, -1),
      use_bias=False,
      kernel_init=nn.initializers.normal(cfg.residual_init_std),
      role=spec.ParameterType.ATTENTION_OUT,
      name='attn_out_proj',
    )(out_BxLxHxK)


def _attention_kernel(dtype: jnp.dtype) -> str:
  """cuDNN's fused attention where it exists: half precision on a GPU."""
  on_gpu = jax.default_backend() == 'gpu'
  return 'cudnn' if on_gpu and dtype == jnp.bfloat16 else 'xla'


class Mlp(nn.Module):
  """Two bias-free layers: a gated linear unit, or plain GELU.

  The gate is a sigmoid: one matrix makes a and b, and a · sigmoid(b) goes on
  (Dauphin et al. 2017, https://arxiv.org/abs/1612.08083).
  """

  cfg: configs.Config

  @nn.compact
  def __call__(self, x_BxLxD: jax.Array) -> jax.Array:
    cfg = self.cfg
    halves = 2 if cfg.mlp == 'glu' else 1
    x = layers.Dense(
      halves * cfg.mlp_width,
      use_bias=False,
      kernel_init=nn.initializers.normal(cfg.init_std),
    )(x_BxLxD)
    x_BxLxF = nn.glu(x) if cfg.mlp == 'glu' else nn.gelu(x)
    return layers.Dense(
      cfg.width,
      use_bias=False,
      kernel_init=nn.initializers.normal(cfg.residual_init_std),
    )(x_BxLxF)


class Block(nn.Module):
  """One residual block: attention, then MLP, each of its normalised input."""

  cfg: configs.Config

  @nn.compact
  def __call__(self, x_BxLxD: jax.Array) -> jax.Array:
    x_BxLxD += CausalAttn(self.cfg)(_norm(self.cfg)(x_BxLxD))
    return x_BxLxD + Mlp(self.cfg)(_norm(self.cfg)(x_BxLxD))


class Decoder(nn.Module):
  """Logits of the next token at every position.

  Computes in the dtype of the parameters it is given: cast them to bfloat16,
  and activations and logits are bfloat16 as well.
  """

  cfg: configs.Config

  def setup(self) -> None:
    cfg = self.cfg
    self.embed = layers.Embed(
      cfg.vocab_size,
      cfg.width,
      embedding_init=nn.initializers.normal(cfg.init_std),
    )
    self.blocks = [Block(cfg) for _ in range(cfg.layers)]
    self.out_ln = _norm(cfg)

  def __call__(self, tokens_BxL: jax.Array) -> jax.Array:
    """Maps token ids [B, L] to logits [B, L, V]."""
    x_BxLxD = self.embed(tokens_BxL)
    for block in self.blocks:
      x_BxLxD = block(x_BxLxD)
    return self.embed.attend(self.out_ln(x_BxLxD))
