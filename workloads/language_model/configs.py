"""Configurations of the family: full size, small sibling, and their variants.

The full size is AlgoPerf's finewebedu_lm. It has no published variants; ours
change the normalisation, the MLP, or what keeps attention logits small.
"""

import dataclasses
import math
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
  """A decoder, what it is trained on, and how it is evaluated.

  An example is a window of `sequence_length` tokens.
  """

  name: str

  # Data.
  dataset: str
  vocab_size: int
  sequence_length: int
  num_train_examples: int
  num_eval_train_examples: int
  num_validation_examples: int
  num_test_examples: int
  eval_batch_size: int

  # Model.
  width: int
  layers: int
  heads: int
  mlp_width: int  # Between the two layers of an MLP, after the gate.
  dtype: Literal['bfloat16', 'float32']  # Of activations and logits.
  init_std: float = 0.02
  norm: Literal['rms', 'layer'] = 'rms'
  mlp: Literal['glu', 'gelu'] = 'glu'
  qk_norm: bool = True

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
  dataset='fineweb_edu_10B',
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

SHAKESPEARE = Config(
  name='shakespeare_lm',
  dataset='shakespeare_plays',
  vocab_size=256,  # Bytes.
  sequence_length=64,
  num_train_examples=73_739,
  num_eval_train_examples=384,
  num_validation_examples=384,
  num_test_examples=384,
  eval_batch_size=64,
  width=128,
  layers=2,
  heads=2,
  mlp_width=256,
  dtype='float32',
)


def with_variants(base: Config) -> tuple[Config, ...]:
  """A base configuration and its held-out variants."""
  return (
    base,
    dataclasses.replace(base, name=f'{base.name}_layernorm', norm='layer'),
    dataclasses.replace(base, name=f'{base.name}_gelu_mlp', mlp='gelu'),
    dataclasses.replace(base, name=f'{base.name}_no_qk_norm', qk_norm=False),
  )


ALL = with_variants(FINEWEBEDU) + with_variants(SHAKESPEARE)
