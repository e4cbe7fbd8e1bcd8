"""Image classification with a bottleneck ResNet (AlgoPerf's imagenet_resnet).

Dimensions: B batch, K classes.
"""

import functools

import jax
import jax.numpy as jnp

from algoperf import spec
from workloads import family, registry
from workloads.imagenet_resnet import configs, data, model


class ResNetWorkload(family.Workload):
  """A configuration of the family as a workload.

  Metrics: `accuracy` (top-1) and `loss` (mean cross entropy, no smoothing).
  """

  def __init__(self, config: configs.Config):
    super().__init__(config, data.DATA_SETS[config.dataset])
    self._model = model.ResNet(config)
    self._jitted_sums = jax.jit(self._sums)

  @property
  def train_mean(self) -> tuple[float, ...]:
    return self.config.mean

  @property
  def train_stddev(self) -> tuple[float, ...]:
    return self.config.stddev

  def is_output_params(self, param_key: spec.ParameterKey) -> bool:
    return param_key == 'Dense_0'

  def init_model_fn(self, rng: spec.RandomState) -> spec.ModelInitState:
    """Fresh parameters, and `{'batch_stats': …}` as model state."""
    images = jnp.ones((1, *self.config.image_shape))
    variables = self._initialised(rng, images, True)
    return variables.pop('params'), variables

  def model_fn(
    self,
    params: spec.ParameterContainer,
    augmented_and_preprocessed_input_batch: spec.Batch,
    model_state: spec.ModelAuxiliaryState,
    mode: spec.ForwardPassMode,
    rng: spec.RandomState,
    update_batch_norm: bool,
    dropout_rate: float = 0.0,
    use_running_average_bn: bool | None = None,
  ) -> tuple[spec.Tensor, spec.ModelAuxiliaryState]:
    """Logits [B, K], and the model state.

    Args:
      params: parameters.
      augmented_and_preprocessed_input_batch: has `inputs`.
      model_state: running averages of the BatchNorm layers.
      mode: unused, as the model behaves the same in training and evaluation.
      rng: unused, as the model draws nothing.
      update_batch_norm: whether to return new running averages, rather than
        model_state as it is.
      dropout_rate: unused, as the model has no dropout.
      use_running_average_bn: whether to normalise by the running averages
        rather than by the batch; by default if they are not updated.
    """
    del mode, rng, dropout_rate
    if use_running_average_bn is None:
      use_running_average_bn = not update_batch_norm
    logits_BxK, new_state = self._model.apply(
      {'params': params, **model_state},
      augmented_and_preprocessed_input_batch['inputs'],
      use_running_average_bn,
      mutable=['batch_stats'],
    )
    return logits_BxK, new_state if update_batch_norm else model_state

  def loss_fn(
    self,
    label_batch: spec.Tensor,
    logits_batch: spec.Tensor,
    mask_batch: spec.Tensor | None = None,
    label_smoothing: float = 0.0,
  ) -> dict[str, spec.Tensor]:
    """Softmax cross entropy.

    Args:
      label_batch: class numbers [B], or distributions over classes [B, K].
      logits_batch: [B, K].
      mask_batch: [B], factors of the examples' losses; None for all ones.
      label_smoothing: weight of the uniform distribution in the targets.

    Returns:
      'summed' over examples, 'n_valid_examples' (sum of the mask) and
      'per_example' [B].
    """
    num_classes = logits_batch.shape[-1]
    if label_batch.ndim < logits_batch.ndim:
      label_batch = jax.nn.one_hot(label_batch, num_classes)
    targets_BxK = (
      1.0 - label_smoothing
    ) * label_batch + label_smoothing / num_classes
    loss_B = -jnp.sum(targets_BxK * jax.nn.log_softmax(logits_batch), axis=-1)
    n_valid_examples = len(loss_B)
    if mask_batch is not None:
      loss_B *= mask_batch
      n_valid_examples = mask_batch.sum()
    return {
      'summed': loss_B.sum(),
      'n_valid_examples': n_valid_examples,
      'per_example': loss_B,
    }

  def evaluate_split(
    self,
    split: str,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    rng: spec.RandomState,
    data_dir: str,
  ) -> dict[str, float]:
    sums = self._each_batch(
      split,
      data_dir,
      params,
      lambda batch: self._jitted_sums(params, model_state, batch),
    )
    total = family.total(sums)
    return {
      metric: total[metric] / total['examples']
      for metric in ('accuracy', 'loss')
    }

  def _sums(
    self,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    batch: spec.Batch,
  ) -> dict[str, spec.Tensor]:
    """Metrics summed over the examples of one evaluation batch."""
    logits_BxK, _ = self.model_fn(
      params, batch, model_state, spec.ForwardPassMode.EVAL, None, False
    )
    loss = self.loss_fn(batch['targets'], logits_BxK, batch['weights'])
    hits_B = logits_BxK.argmax(axis=-1) == batch['targets']
    return {
      'accuracy': jnp.sum(hits_B * batch['weights']),
      'loss': loss['summed'],
      'examples': loss['n_valid_examples'],
    }


for _config in (*configs.ALL, configs.TOY):
  registry.register(_config.name)(functools.partial(ResNetWorkload, _config))
