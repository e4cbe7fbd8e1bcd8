"""Translation with an encoder–decoder Transformer (AlgoPerf's wmt).

Dimensions: B batch, S source length, T target length, V vocabulary.
"""

import functools

import jax
import jax.numpy as jnp

from algoperf import spec
from workloads import family, registry
from workloads.data import rows
from workloads.wmt import bleu, configs, data, decoding, model

INIT_BATCH = 8
_PACKING = (
  'inputs_position',
  'targets_position',
  'inputs_segmentation',
  'targets_segmentation',
)


class TranslationWorkload(family.Workload):
  """A configuration of the family as a workload.

  Metrics: `accuracy` and `loss` (mean cross entropy, no smoothing) of tokens
  given the true tokens before them, and `bleu` of beam-searched translations.
  """

  def __init__(self, config: configs.Config):
    super().__init__(config, data)
    self._model = model.Transformer(config)
    self._evaluate = jax.jit(self._evaluate_batch)

  def is_output_params(self, param_key: spec.ParameterKey) -> bool:
    return param_key == 'shared_embedding'

  def init_model_fn(self, rng: spec.RandomState) -> spec.ModelInitState:
    """Fresh parameters; there is no model state."""
    params_rng, dropout_rng = jax.random.split(rng)
    tokens_BxL = jnp.ones((INIT_BATCH, self.config.max_length), jnp.int32)
    rngs = {'params': params_rng, 'dropout': dropout_rng}
    return self._initialised(rngs, tokens_BxL, tokens_BxL)['params'], None

  def model_fn(
    self,
    params: spec.ParameterContainer,
    augmented_and_preprocessed_input_batch: spec.Batch,
    model_state: spec.ModelAuxiliaryState,
    mode: spec.ForwardPassMode,
    rng: spec.RandomState,
    update_batch_norm: bool,
    dropout_rate: float = 0.1,
  ) -> tuple[spec.Tensor, spec.ModelAuxiliaryState]:
    """Logits [B, T, V], and None.

    Args:
      params: parameters.
      augmented_and_preprocessed_input_batch: has `inputs` [B, S] and `targets`
        [B, T], and for packed rows positions and segmentations of both.
      model_state: None.
      mode: there is dropout in training only.
      rng: for dropout.
      update_batch_norm: unused.
      dropout_rate: of all dropout layers.
    """
    del model_state, update_batch_norm
    batch = augmented_and_preprocessed_input_batch
    training = mode == spec.ForwardPassMode.TRAIN
    logits_BxTxV = self._model.apply(
      {'params': params},
      batch['inputs'],
      batch['targets'],
      *(batch.get(field) for field in _PACKING),
      dropout_rate=dropout_rate if training else 0.0,
      rngs={'dropout': rng} if training else None,
    )
    return logits_BxTxV, None

  def loss_fn(
    self,
    label_batch: spec.Tensor,
    logits_batch: spec.Tensor,
    mask_batch: spec.Tensor | None = None,
    label_smoothing: float = 0.0,
  ) -> dict[str, spec.Tensor]:
    """Softmax cross entropy of tokens.

    Args:
      label_batch: token ids [B, T].
      logits_batch: [B, T, V].
      mask_batch: [B, T], factors of the tokens' losses; None for 1 where the
        token is no padding.
      label_smoothing: weight of the uniform distribution in the targets.

    Returns:
      'summed' over tokens, 'n_valid_examples' (sum of the mask) and
      'per_example' [B, T].
    """
    if mask_batch is None:
      mask_batch = (label_batch != 0).astype(logits_batch.dtype)
    vocab_size = logits_batch.shape[-1]
    targets_BxTxV = (1.0 - label_smoothing) * jax.nn.one_hot(
      label_batch, vocab_size
    ) + label_smoothing / vocab_size
    logprob_BxTxV = jax.nn.log_softmax(logits_batch)
    loss_BxT = -jnp.sum(targets_BxTxV * logprob_BxTxV, axis=-1) * mask_batch
    return {
      'summed': loss_BxT.sum(),
      'n_valid_examples': mask_batch.sum(),
      'per_example': loss_BxT,
    }

  def evaluate_split(
    self,
    split: str,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    rng: spec.RandomState,
    data_dir: str,
  ) -> dict[str, float]:
    del model_state, rng  # There is none; nothing is drawn.
    results = self._each_batch(
      split, data_dir, params, functools.partial(self._evaluate, params)
    )
    vocabulary = data.load_tokenizer(self.config, data_dir)
    hypotheses, references = [], []
    for _, targets_BxT, translations_BxT in results:
      real_B = targets_BxT[:, 0] > 0
      hypotheses += vocabulary.decode(translations_BxT[real_B])
      references += vocabulary.decode(targets_BxT[real_B])
    total = family.total([sums for sums, *_ in results])
    return {
      'accuracy': total['accuracy'] / total['tokens'],
      'loss': total['loss'] / total['tokens'],
      'bleu': bleu.corpus_bleu(hypotheses, references),
    }

  def _rows_at_once(self) -> int:
    logits = 4 * self.config.vocab_size * self.config.max_length
    return rows.fitting(self.eval_batch_size, logits)

  def _keeps_batches(self) -> bool:
    return True

  def _evaluate_batch(
    self, params: spec.ParameterContainer, batch: spec.Batch
  ) -> tuple[dict[str, spec.Tensor], spec.Tensor, spec.Tensor]:
    """Sums over the tokens of a batch, its targets [B, T], and translations
    [B, T − 1]."""
    inputs, targets = batch['inputs'], batch['targets']
    variables = {'params': params}
    inputs_segments = model.segments(inputs, None)
    encoded_BxSxM = self._model.apply(
      variables, inputs, None, inputs_segments, method='encode'
    )
    logits_BxTxV = self._model.apply(
      variables,
      encoded_BxSxM,
      inputs_segments,
      targets,
      None,
      model.segments(targets, None),
      method='decode',
    )
    loss = self.loss_fn(targets, logits_BxTxV, batch['weights'])
    hits_BxT = jnp.argmax(logits_BxTxV, axis=-1) == targets
    sums = {
      'accuracy': jnp.sum(hits_BxT * batch['weights']),
      'loss': loss['summed'],
      'tokens': loss['n_valid_examples'],
    }
    translations_BxT = decoding.translate(
      self._model, params, encoded_BxSxM, inputs
    )
    return sums, targets, translations_BxT


for _config in (*configs.CONFIGS, configs.TOY):
  registry.register(_config.name)(
    functools.partial(TranslationWorkload, _config)
  )
