"""Bottleneck residual network (He et al. 2015, arXiv 1512.03385).

Version 1.5: a stage's stride is in the 3x3 convolution, not in the 1x1 before
it. The residual branches start near zero where `bn_init_scale` is 0 (Goyal et
al. 2017, arXiv 1706.02677, section 5.1). ResNet-50 has stages (3, 4, 6, 3).

Dimensions: B batch, H height, W width, C channels, K classes.
"""

from collections.abc import Callable, Sequence
import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from workloads import layers
from workloads.imagenet_resnet import configs

_EXPANSION = 4  # Width of a block's output over its inner width.

_MANY_CHANNELS = 64


def _by_product(
  x_BxHxWxC: jax.Array,
  kernel: jax.Array,
  strides: Sequence[int],
  padding: str,
  **options: Any,
) -> jax.Array:
  """`jax.lax.conv_general_dilated` by a 1x1 kernel; on CPUs a product.

  There XLA takes 1.5 to 2.9 times as long for the convolution; of few channels,
  often as long (`scripts/bench/convolution`).
  """
  *_, channels_in, channels_out = kernel.shape
  few = min(channels_in, channels_out) < _MANY_CHANNELS
  if few or jax.default_backend() != 'cpu':
    return jax.lax.conv_general_dilated(
      x_BxHxWxC, kernel, strides, padding, **options
    )
  rows, columns = strides
  x_BxHxWxC = x_BxHxWxC[:, ::rows, ::columns]
  return jnp.matmul(x_BxHxWxC, kernel[0, 0], precision=options['precision'])


_conv = functools.partial(layers.Conv, use_bias=False)
_conv_1x1 = functools.partial(
  _conv, kernel_size=(1, 1), conv_general_dilated=_by_product
)
_norm = functools.partial(layers.BatchNorm, momentum=0.9, epsilon=1e-5)


class BottleneckResNetBlock(nn.Module):
  """Two 1x1 convolutions around a 3x3 one, added to the input.

  The input is projected where it differs from the output in shape.
  """

  width: int
  stride: int
  activation: Callable[[jax.Array], jax.Array]
  bn_init_scale: float

  @nn.compact
  def __call__(
    self, x_BxHxWxC: jax.Array, use_running_average: bool
  ) -> jax.Array:
    norm = functools.partial(_norm, use_running_average)
    out = _EXPANSION * self.width
    strides = (self.stride, self.stride)
    branch_scale = nn.initializers.constant(self.bn_init_scale)

    y_BxHxWxC = _conv_1x1(self.width)(x_BxHxWxC)
    y_BxHxWxC = self.activation(norm()(y_BxHxWxC))
    y_BxHxWxC = _conv(self.width, (3, 3), strides)(y_BxHxWxC)
    y_BxHxWxC = self.activation(norm()(y_BxHxWxC))
    y_BxHxWxC = _conv_1x1(out)(y_BxHxWxC)
    y_BxHxWxC = norm(scale_init=branch_scale)(y_BxHxWxC)
    if x_BxHxWxC.shape != y_BxHxWxC.shape:
      x_BxHxWxC = _conv_1x1(out, strides=strides, name='Conv_proj')(x_BxHxWxC)
      x_BxHxWxC = norm(name='BatchNorm_proj')(x_BxHxWxC)
    return self.activation(x_BxHxWxC + y_BxHxWxC)


class ResNet(nn.Module):
  """Images to logits."""

  config: configs.Config

  @nn.compact
  def __call__(
    self, images_BxHxWxC: jax.Array, use_running_average: bool
  ) -> jax.Array:
    """Logits [B, K], float32.

    Args:
      images_BxHxWxC: normalised images, float32.
      use_running_average: whether BatchNorm normalises by its running averages
        rather than by the statistics of this batch, which update them.
    """
    config = self.config
    activation = layers.activation(config.activation)
    x_BxHxWxC = _conv(
      config.width,
      (config.stem_kernel, config.stem_kernel),
      (config.stem_stride, config.stem_stride),
      padding=config.stem_kernel // 2,
      name='Conv_init',
    )(images_BxHxWxC)
    x_BxHxWxC = _norm(use_running_average, name='BatchNorm_init')(x_BxHxWxC)
    x_BxHxWxC = activation(x_BxHxWxC)
    if config.stem_pool:
      x_BxHxWxC = nn.max_pool(x_BxHxWxC, (3, 3), (2, 2), ((1, 1), (1, 1)))
    for stage, num_blocks in enumerate(config.stage_sizes):
      for block in range(num_blocks):
        x_BxHxWxC = BottleneckResNetBlock(
          width=config.width * 2**stage,
          stride=2 if stage > 0 and block == 0 else 1,
          activation=activation,
          bn_init_scale=config.bn_init_scale,
        )(x_BxHxWxC, use_running_average)
    x_BxC = jnp.mean(x_BxHxWxC, axis=(1, 2))
    return layers.Dense(
      config.num_classes, kernel_init=nn.initializers.normal(0.01)
    )(x_BxC)
