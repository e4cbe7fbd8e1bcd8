"""A workload that trains in microseconds: a linear map, 96 fixed examples.

Dimension key: B batch, I inputs (4), H hidden (3), C classes (2).
"""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from algoperf import spec
from algoperf import submission as submission_lib

NUM_INPUTS, NUM_HIDDEN, NUM_CLASSES = 4, 3, 2
SPLIT_SIZES = {'train': 64, 'eval_train': 16, 'validation': 16, 'test': 16}

_GOAL = spec.Goal(
  metric='accuracy',
  comparison='>=',
  validation_target=0.95,
  test_target=0.95,
  max_runtime=60.0,
  eval_period=1.0,
  step_hint=100,
  batch_size=16,
)


def goal(**overrides: Any) -> spec.Goal:
  """A goal that every sound optimizer reaches, with some fields replaced."""
  return dataclasses.replace(_GOAL, **overrides)


@functools.cache
def examples(split: str) -> spec.Batch:
  """One split: labels are those of a fixed linear teacher with a margin."""
  generator = np.random.default_rng(0)
  inputs_BxI = generator.normal(size=(96, NUM_INPUTS)).astype(np.float32)
  teacher_I = np.array([1.0, -1.0, 0.5, 0.25], np.float32)
  inputs_BxI += 0.3 * np.sign(inputs_BxI @ teacher_I)[:, None] * teacher_I
  targets_B = (inputs_BxI @ teacher_I > 0).astype(np.int32)
  start = {'train': 0, 'eval_train': 0, 'validation': 64, 'test': 80}[split]
  rows = slice(start, start + SPLIT_SIZES[split])
  return {'inputs': inputs_BxI[rows], 'targets': targets_B[rows]}


class Batches:
  """Endless training batches, with the state methods of a Grain iterator."""

  def __init__(self, data_rng: spec.RandomState, batch_size: int) -> None:
    self._seed = [int(word) for word in np.asarray(data_rng)]
    self._batch_size = batch_size
    self._index = 0

  def __iter__(self) -> Iterator[spec.Batch]:
    return self

  def __next__(self) -> spec.Batch:
    generator = np.random.default_rng([*self._seed, self._index])
    rows = generator.integers(SPLIT_SIZES['train'], size=self._batch_size)
    self._index += 1
    return {name: values[rows] for name, values in examples('train').items()}

  def get_state(self) -> dict[str, int]:
    return {'index': self._index}

  def set_state(self, state: dict[str, int]) -> None:
    self._index = state['index']


class Workload(spec.Workload):
  """Two linear layers; softmax or squared loss; a running mean of inputs."""

  name = 'toy'
  num_train_examples = SPLIT_SIZES['train']
  num_eval_train_examples = SPLIT_SIZES['eval_train']
  num_validation_examples = SPLIT_SIZES['validation']
  num_test_examples = SPLIT_SIZES['test']
  eval_batch_size = 16
  loss_type = spec.LossType.SOFTMAX_CROSS_ENTROPY

  def __init__(
    self,
    loss_type: spec.LossType = spec.LossType.SOFTMAX_CROSS_ENTROPY,
    goal: spec.Goal = _GOAL,
  ) -> None:
    self.loss_type = loss_type
    self._goal = goal

  def is_output_params(self, param_key: spec.ParameterKey) -> bool:
    return param_key == 'head'

  def init_model_fn(self, rng: spec.RandomState) -> spec.ModelInitState:
    body_rng, head_rng = jax.random.split(jnp.asarray(rng))
    normal = jax.random.normal
    params = {
      'body': {'kernel': normal(body_rng, (NUM_INPUTS, NUM_HIDDEN)) / 2},
      'head': {
        'kernel': normal(head_rng, (NUM_HIDDEN, NUM_CLASSES)) / 2,
        'bias': jnp.zeros(NUM_CLASSES),
      },
    }
    weight, bias = spec.ParameterType.WEIGHT, spec.ParameterType.BIAS
    self._param_shapes = jax.tree.map(
      lambda leaf: spec.ShapeTuple(leaf.shape), params
    )
    self._param_types = {
      'body': {'kernel': weight},
      'head': {'kernel': weight, 'bias': bias},
    }
    return params, {'mean': jnp.zeros(NUM_INPUTS)}

  def model_fn(
    self,
    params: spec.ParameterContainer,
    augmented_and_preprocessed_input_batch: spec.Batch,
    model_state: spec.ModelAuxiliaryState,
    mode: spec.ForwardPassMode,
    rng: spec.RandomState,
    update_batch_norm: bool,
    dropout_rate: float = 0.0,
  ) -> tuple[spec.Tensor, spec.ModelAuxiliaryState]:
    inputs_BxI = jnp.asarray(augmented_and_preprocessed_input_batch['inputs'])
    if mode is spec.ForwardPassMode.TRAIN:
      if isinstance(dropout_rate, jax.Array) or dropout_rate:
        keep_BxI = jax.random.bernoulli(rng, 1 - dropout_rate, inputs_BxI.shape)
        inputs_BxI = jnp.where(keep_BxI, inputs_BxI / (1 - dropout_rate), 0)
      if update_batch_norm:
        mean_I = 0.9 * model_state['mean'] + 0.1 * inputs_BxI.mean(axis=0)
        model_state = {'mean': mean_I}
    hidden_BxH = inputs_BxI @ params['body']['kernel']
    return (
      hidden_BxH @ params['head']['kernel'] + params['head']['bias'],
      model_state,
    )

  def loss_fn(
    self,
    label_batch: spec.Tensor,
    logits_batch: spec.Tensor,
    mask_batch: spec.Tensor | None = None,
    label_smoothing: float = 0.0,
  ) -> dict[str, spec.Tensor]:
    targets_BxC = jax.nn.one_hot(label_batch, NUM_CLASSES)
    targets_BxC = (
      1 - label_smoothing
    ) * targets_BxC + label_smoothing / NUM_CLASSES
    if self.loss_type is spec.LossType.MEAN_SQUARED_ERROR:
      losses_B = jnp.square(logits_batch - targets_BxC).sum(axis=-1)
    else:
      losses_B = -(targets_BxC * jax.nn.log_softmax(logits_batch)).sum(axis=-1)
    mask_B = jnp.ones_like(losses_B) if mask_batch is None else mask_batch
    losses_B = losses_B * mask_B
    return {
      'summed': losses_B.sum(),
      'n_valid_examples': mask_B.sum(),
      'per_example': losses_B,
    }

  def prepare_data(
    self, data_dir: str, report: spec.Report = spec.silent
  ) -> None:
    del data_dir, report  # The data are computed.

  def check_data(self, data_dir: str) -> None:
    del data_dir

  def build_input_queue(
    self,
    data_rng: spec.RandomState,
    split: str,
    data_dir: str,
    global_batch_size: int,
  ) -> Iterator[spec.Batch]:
    del split, data_dir
    return Batches(data_rng, global_batch_size)

  def evaluate_split(
    self,
    split: str,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    rng: spec.RandomState,
    data_dir: str,
  ) -> dict[str, float]:
    del data_dir
    batch = examples(split)
    logits_BxC, _ = self.model_fn(
      params, batch, model_state, spec.ForwardPassMode.EVAL, rng, False
    )
    loss = self.loss_fn(batch['targets'], logits_BxC)['summed']
    hits_B = np.asarray(logits_BxC).argmax(axis=-1) == batch['targets']
    return {
      'loss': float(loss) / len(hits_B),
      'accuracy': float(hits_B.mean()),
    }


class ScalarLog:
  """A metrics logger that keeps what it is given."""

  def __init__(self) -> None:
    self.rows: list[tuple[int, dict[str, Any]]] = []

  def append_scalar_metrics(
    self,
    metrics: Mapping[str, Any],
    global_step: int,
    preemption_count: int | None = None,
    is_eval: bool = False,
  ) -> None:
    del preemption_count, is_eval
    self.rows.append((global_step, dict(metrics)))


class Trainer:
  """Calls a submission's functions as the trial loop does, without a clock."""

  def __init__(
    self,
    submission: submission_lib.Submission,
    hyperparameters: spec.Hyperparameters,
    workload: spec.Workload | None = None,
    batch_size: int = 16,
    data_dir: str = '',
    place: Callable[[Any], Any] = lambda tree: tree,
    place_batch: Callable[[spec.Batch], spec.Batch] = lambda batch: batch,
  ) -> None:
    """Initializes; `place` and `place_batch` put arrays on devices.

    Other workloads than the toy need a directory of data, and a batch size.
    """
    self.workload = workload or Workload()
    self.log = ScalarLog()
    self.workload.attach_metrics_logger(self.log)
    self.submission = submission
    self.hyperparameters = hyperparameters
    self.step = 0
    self._place_batch = place_batch
    self._data_dir = data_dir
    self._key = np.array([0, 42], np.uint32)
    self.params, self.model_state = place(
      self.workload.init_model_fn(self._key)
    )
    self.optimizer_state = submission.init_optimizer_state(
      self.workload,
      self.params,
      self.model_state,
      hyperparameters,
      self._key,
    )
    self.queue = self.workload.build_input_queue(
      self._key, 'train', data_dir, batch_size
    )

  def train(self, num_steps: int) -> None:
    for _ in range(num_steps):
      batch = self.submission.data_selection(
        self.workload,
        self.queue,
        self.optimizer_state,
        self.params,
        self.model_state,
        self.hyperparameters,
        self.step,
        self._key,
      )
      self._call('update_params', batch=self._place_batch(batch))
      self.step += 1

  def prepare_for_eval(self) -> None:
    self._call('prepare_for_eval')

  def evaluate(self) -> dict[str, float]:
    return self.workload.evaluate_split(
      'validation',
      self.params,
      self.model_state,
      self._key,
      self._data_dir,
    )

  def losses(self) -> list[float]:
    """The losses that the submission has logged."""
    return [float(row['loss']) for _, row in self.log.rows]

  def _call(self, function: str, **extra: Any) -> None:
    self.optimizer_state, self.params, self.model_state = getattr(
      self.submission, function
    )(
      workload=self.workload,
      current_param_container=self.params,
      current_params_types=self.workload.model_params_types,
      model_state=self.model_state,
      hyperparameters=self.hyperparameters,
      loss_type=self.workload.loss_type,
      optimizer_state=self.optimizer_state,
      eval_results=[],
      global_step=self.step,
      rng=self._key,
      **extra,
    )
