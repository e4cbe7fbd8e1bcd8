"""Language modelling with a decoder-only Transformer (finewebedu_lm, lm1b).

Dimensions: B batch, L sequence, V vocabulary.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from algoperf import spec
from workloads import family, registry
from workloads.data import rows
from workloads.language_model import attention, configs, data, model


class LanguageModelWorkload(family.Workload):
  """A configuration of the family as a workload.

  Metrics: `loss`, the mean cross entropy of a token in nats, and `ppl`, its
  exponential. Of a split without examples they are 0 and 1, as in AlgoPerf.
  """

  def __init__(self, config: configs.Config):
    super().__init__(config, data.DATA_SETS[config.dataset])
    self._model = model.Decoder(config)
    self._jitted_sums = jax.jit(self._sums)

  def is_output_params(self, param_key: spec.ParameterKey) -> bool:
    """Whether logits come from it: the output layer or the embedding table."""
    return param_key == ('logits' if self.config.output == 'dense' else 'embed')

  def init_model_fn(self, rng: spec.RandomState) -> spec.ModelInitState:
    """Fresh parameters, and None as model state."""
    # The parameters do not depend on the length of the sequence.
    tokens_BxL = jnp.zeros((1, 2), jnp.int32)
    return self._initialised(rng, tokens_BxL)['params'], None

  def model_fn(
    self,
    params: spec.ParameterContainer,
    augmented_and_preprocessed_input_batch: spec.Batch,
    model_state: spec.ModelAuxiliaryState,
    mode: spec.ForwardPassMode,
    rng: spec.RandomState,
    update_batch_norm: bool,
    dropout_rate: float | None = None,
  ) -> tuple[spec.Tensor, spec.ModelAuxiliaryState]:
    """Logits [B, L, V] in the dtype of the computation, and None.

    Args:
      params: parameters.
      augmented_and_preprocessed_input_batch: has `inputs`, token ids [B, L] or
        one-hot [B, L, V], and for packed rows `inputs_position` and
        `inputs_segmentation`.
      model_state: unused, as the model has no state.
      mode: there is dropout in training only.
      rng: for dropout.
      update_batch_norm: unused, as the model has no BatchNorm.
      dropout_rate: by default the configuration's; unused where that has none,
        as in AlgoPerf's finewebedu_lm.
    """
    del model_state, update_batch_norm
    batch = augmented_and_preprocessed_input_batch
    tokens = batch['inputs']
    if tokens.ndim == 3:
      tokens = tokens.argmax(axis=-1)
    default = self.config.dropout_rate
    training = mode == spec.ForwardPassMode.TRAIN and default is not None
    if dropout_rate is None:
      dropout_rate = default
    params = jax.tree.map(lambda leaf: leaf.astype(self.config.dtype), params)
    logits_BxLxV = self._model.apply(
      {'params': params},
      tokens,
      attention.Row(
        batch.get('inputs_position'), batch.get('inputs_segmentation')
      ),
      dropout_rate=dropout_rate if training else 0.0,
      rngs={'dropout': rng} if training else None,
    )
    return logits_BxLxV, None

  def loss_fn(
    self,
    label_batch: spec.Tensor,
    logits_batch: spec.Tensor,
    mask_batch: spec.Tensor | None = None,
    label_smoothing: float = 0.0,
  ) -> dict[str, spec.Tensor]:
    """Softmax cross entropy of every token.

    Args:
      label_batch: token ids [B, L].
      logits_batch: [B, L, V].
      mask_batch: [B, L], factors of the tokens' losses; None for all ones.
      label_smoothing: weight of the uniform distribution in the targets.

    Returns:
      'summed' over tokens (float32), 'n_valid_examples' (tokens, or the sum of
      the mask) and 'per_example' [B, L], in the dtype of the logits unless the
      mask has a wider one.
    """
    # log_softmax, but for the subtraction, which the target alone needs: on CPU
    # less to be written and read by a twentieth of lm1b's step.
    highest_BxL = jax.lax.stop_gradient(logits_batch.max(axis=-1))
    shifted_BxLxV = logits_batch - highest_BxL[..., None]
    normaliser_BxL = jnp.log(jnp.exp(shifted_BxLxV).sum(axis=-1))
    chosen_BxL = jnp.take_along_axis(
      shifted_BxLxV, label_batch[..., None], axis=-1
    ).squeeze(-1)
    loss_BxL = normaliser_BxL - chosen_BxL
    if not isinstance(label_smoothing, float | int) or label_smoothing:
      logp_BxLxV = shifted_BxLxV - normaliser_BxL[..., None]
      loss_BxL = (1.0 - label_smoothing) * loss_BxL - (
        label_smoothing * logp_BxLxV.mean(axis=-1)
      )
    n_valid_examples = loss_BxL.size
    if mask_batch is not None:
      loss_BxL *= mask_batch
      n_valid_examples = mask_batch.sum()
    return {
      'summed': loss_BxL.sum(dtype=jnp.float32),
      'n_valid_examples': n_valid_examples,
      'per_example': loss_BxL,
    }

  def evaluate_split(
    self,
    split: str,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    rng: spec.RandomState,
    data_dir: str,
  ) -> dict[str, float]:
    if split == 'test' and not self.num_test_examples:
      return {'loss': 0.0, 'ppl': 1.0}
    sums = self._each_batch(
      split, data_dir, params, functools.partial(self._jitted_sums, params)
    )
    total = family.total(sums)
    loss = total['loss'] / total['tokens']
    with np.errstate(over='ignore'):  # A diverged model's perplexity is inf.
      return {'loss': loss, 'ppl': float(np.exp(loss))}

  def _rows_at_once(self) -> int:
    cfg = self.config
    logits = 4 * cfg.vocab_size * (cfg.eval_length or cfg.sequence_length)
    return rows.fitting(self.eval_batch_size, logits)

  def _sums(
    self, params: spec.ParameterContainer, batch: spec.Batch
  ) -> dict[str, spec.Tensor]:
    """Loss summed over the tokens of one evaluation batch, and their number."""
    logits_BxLxV, _ = self.model_fn(
      params, batch, None, spec.ForwardPassMode.EVAL, None, False
    )
    loss = self.loss_fn(batch['targets'], logits_BxLxV, batch['weights'])
    return {'loss': loss['summed'], 'tokens': loss['n_valid_examples']}


for _config in (*configs.ALL, configs.TOY):
  registry.register(_config.name)(
    functools.partial(LanguageModelWorkload, _config)
  )
