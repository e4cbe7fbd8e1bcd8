"""Configurations of the family: full sizes, small sibling, and their variants.

The full sizes are AlgoPerf's finewebedu_lm and, with another model, lm1b. They
have no published variants; ours change the normalisation, the MLP, what keeps
attention logits small, or where logits come from.
"""

import dataclasses
import math
from typing import Literal

from workloads import family


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(family.Config):
  """A decoder, what it is trained on, and how it is evaluated.

  An example is a window of `sequence_length` tokens; in lm1b a sentence, of
  which a row of that length holds several.
  """

  # Data.
  dataset: str
  vocab_size: int
  sequence_length: int
  eval_length: int | None = None  # Of rows in evaluation, if not the same.

  # Model.
  width: int
  layers: int
  heads: int
  mlp_width: int  # Between the two layers of an MLP, after the gate.
  dtype: Literal['bfloat16', 'float32']  # Of activations and logits.
  # Of kernels: normal with init_std, or Xavier's uniform.
  init: Literal['normal', 'xavier'] = 'normal'
  init_std: float = 0.02  # Of the embedding table in any case.
  positions: Literal['rotary', 'sinusoids'] = 'rotary'
  norm: Literal['rms', 'layer'] = 'rms'
  mlp: Literal['glu', 'gelu', 'relu'] = 'glu'
  bias: bool = False  # In the MLP and the output layer.
  qk_norm: bool = True
  # Logits from the embedding table, from it divided by √width, or a layer.
  output: Literal['tied', 'tied_scaled', 'dense'] = 'tied'
  # Unless a submission gives another; None for a model without dropout.
  dropout_rate: float | None = None

  @property
  def residual_init_std(self) -> float:
    """Of the two matrices of each block that write to the residual stream."""
    return self.init_std / math.sqrt(2 * self.layers)

  @property
  def attention_scale(self) -> float:
    """Where the learned scale of normalised queries starts: log2(L² − L)."""
    return math.log2(self.sequence_length**2 - self.sequence_length)


FINEWEBEDU = Config(
  name='finewebedu_lm',
  dataset='fineweb_edu_10b',
  vocab_size=50_257,
  sequence_length=1024,
  num_train_examples=8_749_870,
  num_eval_train_examples=10_000,
  num_validation_examples=100_000,
  num_test_examples=0,
  eval_batch_size=256,
  width=1024,
  layers=12,
  heads=8,
  mlp_width=4096,
  dtype='bfloat16',
)

# The configuration of flax's example lm1b. Its evaluation split is halved here.
LM1B = Config(
  name='lm1b',
  dataset='lm1b',
  vocab_size=30_000,
  sequence_length=128,
  num_train_examples=30_301_028,
  num_eval_train_examples=10_240,
  num_validation_examples=153_344,
  num_test_examples=153_344,
  eval_batch_size=128,
  eval_length=512,
  workers=8,
  width=512,
  layers=6,
  heads=8,
  mlp_width=2048,
  dtype='bfloat16',
  init='xavier',
  init_std=1.0,
  positions='sinusoids',
  norm='layer',
  mlp='relu',
  bias=True,
  qk_norm=False,
  output='dense',
  dropout_rate=0.1,
)

SHAKESPEARE = Config(
  name='shakespeare_lm',
  dataset='shakespeare_plays',
  vocab_size=256,  # Bytes.
  sequence_length=64,
  num_train_examples=73_739,
  num_eval_train_examples=384,
  num_validation_examples=384,
  num_test_examples=384,
  in_memory=True,
  eval_batch_size=64,
  width=128,
  layers=2,
  heads=2,
  mlp_width=256,
  dtype='float32',
)

TOY = Config(
  name='language_model_toy',
  dataset='generated',
  vocab_size=32,
  sequence_length=12,
  num_train_examples=64,
  num_eval_train_examples=16,
  num_validation_examples=16,
  num_test_examples=16,
  in_memory=True,
  eval_batch_size=16,
  width=16,
  layers=1,
  heads=2,
  mlp_width=32,
  dtype='float32',
)


def of_lm1b(base: Config) -> tuple[Config, ...]:
  """lm1b, or a smaller one, and its held-out variants."""
  return (
    base,
    dataclasses.replace(base, name=f'{base.name}_rmsnorm', norm='rms'),
    dataclasses.replace(base, name=f'{base.name}_glu_mlp', mlp='glu'),
    dataclasses.replace(base, name=f'{base.name}_qk_norm', qk_norm=True),
    dataclasses.replace(base, name=f'{base.name}_tied', output='tied_scaled'),
  )


def with_variants(base: Config) -> tuple[Config, ...]:
  """A base configuration and its held-out variants."""
  return (
    base,
    dataclasses.replace(base, name=f'{base.name}_layernorm', norm='layer'),
    dataclasses.replace(base, name=f'{base.name}_gelu_mlp', mlp='gelu'),
    dataclasses.replace(base, name=f'{base.name}_no_qk_norm', qk_norm=False),
  )


ALL = with_variants(FINEWEBEDU) + of_lm1b(LM1B) + with_variants(SHAKESPEARE)
