"""The contract between workloads, submissions and the runner.

Names and signatures are those of the AlgoPerf 0.6 JAX API, so that a submission
written for AlgoPerf runs here unmodified. This module imports nothing heavy.
"""

import abc
from collections.abc import Callable, Iterator, Mapping
import copy
import dataclasses
import enum
import math
from typing import Any, Protocol, Self

Tensor = Any  # A jax.Array.
Batch = dict[str, Tensor]
ParameterContainer = Any  # A nested dict of arrays.
ParameterShapeTree = Any  # The same tree, each leaf a ShapeTuple.
ParameterTypeTree = Any  # The same tree in lower-case keys, ParameterTypes.
ParameterKey = str
RandomState = Any  # A raw threefry key: uint32[2].
OptimizerState = Any  # By convention a pair (state, update function).
Hyperparameters = Any  # A namedtuple, or None in the self-tuning ruleset.
ModelAuxiliaryState = Any  # Batch statistics, or None.
ModelInitState = tuple[ParameterContainer, ModelAuxiliaryState]
Timing = float
Steps = int
EvalResults = list[tuple[int, dict[str, float]]]
UpdateReturn = tuple[OptimizerState, ParameterContainer, ModelAuxiliaryState]
InitOptimizerFn = Callable[..., OptimizerState]
UpdateParamsFn = Callable[..., UpdateReturn]
DataSelectionFn = Callable[..., Batch]

SPLITS = ('train', 'eval_train', 'validation', 'test')


class UsageError(Exception):
  """Bad input from the user: one line that names rule, value and remedy."""


class TrainingCompleteError(Exception):
  """Raised by a submission's update_params to end its training."""


class LossType(enum.Enum):
  """What a workload's loss is made of."""

  SOFTMAX_CROSS_ENTROPY = 0
  SIGMOID_CROSS_ENTROPY = 1
  MEAN_SQUARED_ERROR = 2
  CTC_LOSS = 3
  MEAN_ABSOLUTE_ERROR = 4


class ForwardPassMode(enum.Enum):
  """Whether a forward pass is part of training or of an evaluation."""

  TRAIN = 0
  EVAL = 1


class ParameterType(enum.Enum):
  """The role of one parameter array in its model."""

  WEIGHT = 0
  BIAS = 1
  CONV_WEIGHT = 2
  BATCH_NORM_SCALE = 3
  BATCH_NORM_BIAS = 4
  LAYER_NORM_SCALE = 5
  LAYER_NORM_BIAS = 6
  EMBEDDING = 7
  ATTENTION_Q = 8
  ATTENTION_K = 9
  ATTENTION_V = 10
  ATTENTION_OUT = 11
  ATTENTION_QKV = 12
  ATTENTION_KV = 13
  ATTENTION_BIAS = 14


class ShapeTuple:
  """A shape that jax.tree functions treat as one leaf."""

  def __init__(self, shape_tuple: tuple[int, ...]):
    self.shape_tuple = shape_tuple

  def __repr__(self) -> str:
    return f'ShapeTuple({self.shape_tuple})'

  def __eq__(self, other: object) -> bool:
    return (
      isinstance(other, ShapeTuple) and self.shape_tuple == other.shape_tuple
    )

  def __hash__(self) -> int:
    return hash(self.shape_tuple)


class MetricsLogger(Protocol):
  """Where a submission may send scalars of its own."""

  def append_scalar_metrics(
    self,
    metrics: Mapping[str, Any],
    global_step: int,
    preemption_count: int | None = None,
    is_eval: bool = False,
  ) -> None:
    """Keeps scalars (numbers or 0-d arrays); never waits for a device."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Goal:
  """What a benchmark definition asks of one workload: one row of its TOML.

  Times are in seconds, steps in updates. A target of None is not known yet
  (validation) or does not exist (test).
  """

  metric: str
  comparison: str  # '>', '>=', '<' or '<=': metric comparison target.
  validation_target: float | None
  test_target: float | None
  max_runtime: float
  eval_period: float
  step_hint: int
  batch_size: int  # What a submission gets that names none for this workload.

  @property
  def higher_is_better(self) -> bool:
    return self.comparison.startswith('>')

  def meets(self, value: float, target: float) -> bool:
    """Whether a metric value reaches a target; NaN reaches none."""
    if self.comparison == '>':
      return value > target
    if self.comparison == '>=':
      return value >= target
    if self.comparison == '<':
      return value < target
    return value <= target

  def reached(self, split: str, results: Mapping[str, float]) -> bool:
    """Whether evaluation results reach the target of a split.

    Args:
      split: 'validation' or 'test'.
      results: metrics by '<split>/<metric>'.

    Returns:
      True also when the split has no target, as AlgoPerf counts it for test.
    """
    target = {'validation': self.validation_target, 'test': self.test_target}[
      split
    ]
    if target is None:
      return split == 'test'
    return self.meets(results.get(f'{split}/{self.metric}', math.nan), target)


Report = Callable[[str], None]


def silent(text: str) -> None:
  """A report that nobody reads."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataNeeds:
  """What it takes to prepare the data of a workload, at most.

  Attributes:
    source: what they are made from.
    disk_gib: that are taken up while they are made, downloads included.
    time: in words.
  """

  source: str
  disk_gib: float
  time: str


class Workload(abc.ABC):
  """A fixed training problem: data, model, loss and metric.

  Targets, budgets and step hints are not part of a workload but of a benchmark
  definition; `with_goal` attaches them, and the properties that AlgoPerf's
  submissions read (`step_hint`, `validation_target_value` …) come from there.
  """

  name: str
  metrics_logger: MetricsLogger | None = None
  _goal: Goal | None = None
  _param_shapes: ParameterShapeTree | None = None
  _param_types: ParameterTypeTree | None = None

  def with_goal(self, goal: Goal) -> Self:
    """This workload with the targets and budgets of a benchmark."""
    bound = copy.copy(self)
    bound._goal = goal
    return bound

  def attach_metrics_logger(self, metrics_logger: MetricsLogger) -> None:
    self.metrics_logger = metrics_logger

  # What the benchmark definition says.

  @property
  def goal(self) -> Goal:
    if self._goal is None:
      raise ValueError(
        f'Workload {self.name!r} has no goal: targets and budgets belong to a '
        'benchmark definition. Use workload.with_goal(goal).'
      )
    return self._goal

  @property
  def target_metric_name(self) -> str:
    return self.goal.metric

  @property
  def validation_target_value(self) -> float | None:
    return self.goal.validation_target

  @property
  def test_target_value(self) -> float | None:
    return self.goal.test_target

  @property
  def max_allowed_runtime_sec(self) -> float:
    return self.goal.max_runtime

  @property
  def eval_period_time_sec(self) -> float:
    return self.goal.eval_period

  @property
  def step_hint(self) -> int:
    return self.goal.step_hint

  def has_reached_validation_target(
    self, eval_result: Mapping[str, float]
  ) -> bool:
    return self.goal.reached('validation', eval_result)

  def has_reached_test_target(self, eval_result: Mapping[str, float]) -> bool:
    return self.goal.reached('test', eval_result)

  # What the model says.

  @property
  def param_shapes(self) -> ParameterShapeTree:
    """The parameter tree with a ShapeTuple at each leaf."""
    return self._after_init('param_shapes', self._param_shapes)

  @property
  def model_params_types(self) -> ParameterTypeTree:
    """The parameter tree, keys in lower case, a ParameterType at each leaf."""
    return self._after_init('model_params_types', self._param_types)

  def _after_init(self, what: str, value: Any) -> Any:
    if value is None:
      raise ValueError(
        f'{what} of workload {self.name!r} is known only after init_model_fn.'
      )
    return value

  @property
  @abc.abstractmethod
  def loss_type(self) -> LossType: ...

  @property
  @abc.abstractmethod
  def num_train_examples(self) -> int: ...

  @property
  @abc.abstractmethod
  def num_eval_train_examples(self) -> int: ...

  @property
  @abc.abstractmethod
  def num_validation_examples(self) -> int: ...

  @property
  @abc.abstractmethod
  def num_test_examples(self) -> int | None: ...

  @property
  @abc.abstractmethod
  def eval_batch_size(self) -> int: ...

  @property
  def train_mean(self) -> Any:
    """Mean per channel of the training inputs, where they are images."""
    raise NotImplementedError(f'{self.name} has no mean of training inputs.')

  @property
  def train_stddev(self) -> Any:
    """Standard deviation per channel, where inputs are images."""
    raise NotImplementedError(f'{self.name} has no deviation of inputs.')

  @abc.abstractmethod
  def is_output_params(self, param_key: ParameterKey) -> bool:
    """Whether a top-level parameter key names the output layer."""

  @abc.abstractmethod
  def init_model_fn(self, rng: RandomState) -> ModelInitState:
    """Fresh parameters and model state; may be called again."""

  @abc.abstractmethod
  def model_fn(
    self,
    params: ParameterContainer,
    augmented_and_preprocessed_input_batch: Batch,
    model_state: ModelAuxiliaryState,
    mode: ForwardPassMode,
    rng: RandomState,
    update_batch_norm: bool,
    dropout_rate: float = 0.0,
  ) -> tuple[Tensor, ModelAuxiliaryState]:
    """The forward pass: (logits, new model state)."""

  @abc.abstractmethod
  def loss_fn(
    self,
    label_batch: Tensor,
    logits_batch: Tensor,
    mask_batch: Tensor | None = None,
    label_smoothing: float = 0.0,
  ) -> dict[str, Tensor]:
    """The loss: 'summed', 'n_valid_examples' and 'per_example'."""

  def output_activation_fn(
    self, logits_batch: Tensor, framework: str = 'jax'
  ) -> Tensor:
    """Logits as predictions: probabilities, or for regression as they are."""
    if framework != 'jax':
      raise ValueError(f"framework is {framework!r}: here is only 'jax'.")
    import jax  # Whoever has logits has it.

    match self.loss_type:
      case LossType.SOFTMAX_CROSS_ENTROPY | LossType.CTC_LOSS:
        return jax.nn.softmax(logits_batch, axis=-1)
      case LossType.SIGMOID_CROSS_ENTROPY:
        return jax.nn.sigmoid(logits_batch)
      case _:
        return logits_batch

  # What the runner uses.

  @abc.abstractmethod
  def prepare_data(self, data_dir: str, report: Report = silent) -> None:
    """Puts this workload's data under data_dir unless it is there.

    Args:
      data_dir: where data sets are.
      report: is told, now and then, how far it has come.

    Raises:
      UsageError: the data cannot be made here; says what to do.
    """

  def require_data(self, data_dir: str) -> None:
    """What a trial does: makes data that take seconds, and no others.

    Raises:
      UsageError: data are missing; says which command makes them.
    """
    self.prepare_data(data_dir)

  @abc.abstractmethod
  def check_data(self, data_dir: str) -> None:
    """Refuses data that are not there as a whole.

    Raises:
      UsageError: says what is missing, and which command makes it.
    """

  def data_is_ready(self, data_dir: str) -> bool:
    """Whether prepare_data would have nothing to do."""
    try:
      self.check_data(data_dir)
    except UsageError:
      return False
    return True

  def missing_examples(self, data_dir: str) -> str:
    """How many examples data that are there lack, in words; '' if none."""
    return ''

  def data_needs(self) -> DataNeeds:
    """What it takes to prepare the data."""
    return DataNeeds(source='nothing', disk_gib=0.0, time='no time')

  @abc.abstractmethod
  def build_input_queue(
    self,
    data_rng: RandomState,
    split: str,
    data_dir: str,
    global_batch_size: int,
  ) -> Iterator[Batch]:
    """Endless training batches, as numpy arrays of equal shape.

    The iterator is Grain's: `get_state()` and `set_state(state)` continue it
    exactly. The order depends on data_rng alone.
    """

  @abc.abstractmethod
  def evaluate_split(
    self,
    split: str,
    params: ParameterContainer,
    model_state: ModelAuxiliaryState,
    rng: RandomState,
    data_dir: str,
  ) -> dict[str, float]:
    """Metrics of one whole split, in evaluation mode, as Python floats."""
