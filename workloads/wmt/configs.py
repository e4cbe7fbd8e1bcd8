"""The sizes and variants of the translation family."""

import dataclasses
from typing import Literal

from workloads import family


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(family.Config):
  """One translation workload: the text, the model and the evaluation.

  The counts of examples are counts of sentence pairs.
  """

  corpus: Literal['wmt', 'numerals', 'toy']
  vocab_size: int
  max_length: int  # Tokens of a row, on either side, and of a translation.
  width: int
  qkv_width: int  # Of all heads of an attention together.
  mlp_width: int
  heads: int
  layers: int  # Of the encoder, and again of the decoder.
  activation: Literal['relu', 'tanh'] = 'relu'
  glu: bool = False  # A second dense layer multiplies the activations.
  post_ln: bool = False  # Normalise sums, not the inputs of sublayers.
  attention_temp: float = 1.0  # Factor of what queries are projected from.


# Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, "big", with a narrow
# MLP and pre-normalisation (Dahl et al. 2023, https://arxiv.org/abs/2306.07179).
WMT = Config(
  name='wmt',
  corpus='wmt',
  vocab_size=32_000,
  max_length=256,
  width=1024,
  qkv_width=1024,
  mlp_width=1024,
  heads=16,
  layers=6,
  eval_batch_size=128,
  num_train_examples=5_906_184,
  num_eval_train_examples=3_072,
  num_validation_examples=3_000,
  num_test_examples=3_003,
  workers=4,
)

NUMERALS_WMT = Config(
  name='numerals_wmt',
  corpus='numerals',
  vocab_size=256,
  max_length=24,
  width=64,
  qkv_width=64,
  mlp_width=64,
  heads=2,
  layers=2,
  eval_batch_size=256,
  num_train_examples=20_000,
  num_eval_train_examples=256,
  num_validation_examples=256,
  num_test_examples=256,
  in_memory=True,
)

TOY = Config(
  name='wmt_toy',
  corpus='toy',
  vocab_size=96,
  max_length=24,
  width=16,
  qkv_width=16,
  mlp_width=16,
  heads=2,
  layers=1,
  eval_batch_size=16,
  num_train_examples=256,
  num_eval_train_examples=16,
  num_validation_examples=16,
  num_test_examples=16,
  in_memory=True,
)


def variants(base: Config) -> tuple[Config, ...]:
  """A base workload, then its held-out variants."""
  return (
    base,
    dataclasses.replace(base, name=f'{base.name}_post_ln', post_ln=True),
    dataclasses.replace(
      base, name=f'{base.name}_attention_temp', attention_temp=4.0
    ),
    dataclasses.replace(
      base, name=f'{base.name}_glu_tanh', glu=True, activation='tanh'
    ),
  )


CONFIGS = variants(WMT) + variants(NUMERALS_WMT)
