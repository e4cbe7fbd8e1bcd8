"""Configurations of the family: full size, small sibling, and their variants.

The full size and the variants are those of AlgoPerf: variants change the
activation, or how strongly each residual branch starts.
"""

import dataclasses

from workloads import family


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(family.Config):
  """A ResNet, what it is trained on, and how it is evaluated.

  Pixel statistics are per channel, of pixels from 0 to 255.
  """

  # Data.
  dataset: str
  image_shape: tuple[int, int, int]  # Height, width, channels.
  num_classes: int
  mean: tuple[float, ...]
  stddev: tuple[float, ...]

  # Model.
  stage_sizes: tuple[int, ...]  # Blocks in each stage.
  width: int  # Of the stem and of the first stage; doubled at each later one.
  stem_kernel: int
  stem_stride: int
  stem_pool: bool
  activation: str = 'relu'
  bn_init_scale: float = 0.0  # Of the last BatchNorm of each residual branch.


IMAGENET = Config(
  name='imagenet_resnet',
  dataset='imagenet2012',
  image_shape=(224, 224, 3),
  num_classes=1000,
  mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
  stddev=(0.229 * 255, 0.224 * 255, 0.225 * 255),
  num_train_examples=1_281_167,
  num_eval_train_examples=50_176,
  num_validation_examples=50_000,
  num_test_examples=10_000,
  eval_batch_size=1024,
  workers=64,
  stage_sizes=(3, 4, 6, 3),
  width=64,
  stem_kernel=7,
  stem_stride=2,
  stem_pool=True,
)

MNIST = Config(
  name='mnist_resnet',
  in_memory=True,
  dataset='mnist5k',
  image_shape=(28, 28, 1),
  num_classes=10,
  mean=(33.6063,),
  stddev=(78.8092,),
  num_train_examples=3000,
  num_eval_train_examples=1000,
  num_validation_examples=1000,
  num_test_examples=1000,
  eval_batch_size=1000,
  stage_sizes=(1, 1, 1),
  width=8,
  stem_kernel=3,
  stem_stride=2,
  stem_pool=True,
)

TOY = Config(
  name='imagenet_resnet_toy',
  in_memory=True,
  dataset='generated',
  image_shape=(8, 8, 3),
  num_classes=4,
  mean=(0.0, 0.0, 0.0),
  stddev=(1.0, 1.0, 1.0),
  num_train_examples=64,
  num_eval_train_examples=16,
  num_validation_examples=16,
  num_test_examples=16,
  eval_batch_size=16,
  stage_sizes=(1, 1),
  width=4,
  stem_kernel=3,
  stem_stride=1,
  stem_pool=True,
)


def with_variants(base: Config) -> tuple[Config, ...]:
  """A base configuration and its held-out variants."""
  return (
    base,
    dataclasses.replace(base, name=f'{base.name}_silu', activation='silu'),
    dataclasses.replace(base, name=f'{base.name}_gelu', activation='gelu'),
    dataclasses.replace(
      base, name=f'{base.name}_large_bn_init', bn_init_scale=8.0
    ),
  )


ALL = with_variants(IMAGENET) + with_variants(MNIST)
