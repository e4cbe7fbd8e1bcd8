"""NAdamW with three points one after another, for the self-tuning ruleset.

The list of AlgoPerf's sequential self-tuning baseline (v0.5): each point trains
from the initial weights for a multiple of the step hint, and after the last the
training is complete. Such lists are the subject of Medapati et al. 2025,
"Training neural networks faster with minimal tuning using pre-computed lists of
hyperparameters for NAdamW" (arXiv 2503.03986). The update is that of `nadamw`.
All points take 2.75 times the step hint, as AlgoPerf 0.5's budget allowed: in a
shorter one the last are cut off, or never begin.

One compiled step serves all points: their values are looked up inside it.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf import spec
from submissions import schedules
from submissions.nadamw import submission as nadamw


class Point(NamedTuple):
  """One training from the initial weights."""

  learning_rate: float
  one_minus_beta1: float
  beta2: float
  weight_decay: float
  warmup_factor: float
  label_smoothing: float
  horizon: float  # Of the training, as a multiple of the step hint.


POINTS = (
  Point(
    learning_rate=0.0014271957958295392,
    one_minus_beta1=0.03380478752,
    beta2=0.9957304053273589,
    weight_decay=0.09153141484048229,
    warmup_factor=0.01,
    label_smoothing=0.1,
    horizon=1.0,
  ),
  Point(
    learning_rate=0.001768509931943289,
    one_minus_beta1=0.05850208614,
    beta2=0.9768053375036079,
    weight_decay=0.0279513959224539,
    warmup_factor=0.02,
    label_smoothing=0.2,
    horizon=1.0,
  ),
  Point(
    learning_rate=0.0023792566965593815,
    one_minus_beta1=0.01990335215,
    beta2=0.9632738717172477,
    weight_decay=0.3417568278549717,
    warmup_factor=0.01,
    label_smoothing=0.0,
    horizon=0.75,
  ),
)


class State(NamedTuple):
  """What checkpoints keep."""

  moments: nadamw.NadamState
  initial: tuple[spec.ParameterContainer, spec.ModelAuxiliaryState]


OptimizerState = tuple[State, Callable[..., tuple[Any, ...]]]


def starts(step_hint: int) -> list[int]:
  """The first step of each point, and the step after the last."""
  steps = [0]
  for point in POINTS:
    steps.append(steps[-1] + max(int(point.horizon * step_hint), 1))
  return steps


def get_batch_size(workload_name: str) -> int:
  """The benchmark's own: see the full form in README.md."""
  raise ValueError(f'No batch size of its own for workload {workload_name!r}.')


def init_optimizer_state(
  workload: spec.Workload,
  model_params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  rng: spec.RandomState,
) -> OptimizerState:
  """Moments, the initial weights, and the compiled step of all points."""
  del hyperparameters, rng
  moments = nadamw.scale_by_nadam(0.0, 0.0).init(model_params)
  initial = jax.tree.map(jnp.array, (model_params, model_state))
  step = jax.jit(_make_step(workload), donate_argnums=(0, 1, 2))
  return State(moments, initial), step


def _make_step(workload: spec.Workload) -> Callable[..., tuple[Any, ...]]:
  """One update with the point of an index."""
  rates = [
    schedules.warmup_cosine(
      point.learning_rate,
      point.warmup_factor,
      int(point.horizon * workload.step_hint),
    )
    for point in POINTS
  ]

  def step(
    moments: nadamw.NadamState,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    batch: spec.Batch,
    rng: spec.RandomState,
    index: int,
  ) -> tuple[Any, ...]:
    point = jax.tree.map(lambda *values: jnp.array(values)[index], *POINTS)
    rate = jax.lax.switch(index, rates, moments.count)
    nadam = nadamw.scale_by_nadam(1 - point.one_minus_beta1, point.beta2)

    def loss_fn(
      params: spec.ParameterContainer,
    ) -> tuple[jax.Array, spec.ModelAuxiliaryState]:
      logits, new_model_state = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        update_batch_norm=True,
      )
      loss = workload.loss_fn(
        label_batch=batch['targets'],
        logits_batch=logits,
        mask_batch=batch.get('weights'),
        label_smoothing=point.label_smoothing,
      )
      return loss['summed'] / loss['n_valid_examples'], new_model_state

    gradient = jax.value_and_grad(loss_fn, has_aux=True)
    (loss, new_model_state), grads = gradient(params)
    directions, moments = nadam.update(grads, moments)
    params = jax.tree.map(
      lambda p, d: p - rate * (d + point.weight_decay * p), params, directions
    )
    return moments, params, new_model_state, loss, optax.tree.norm(grads)

  return step


def update_params(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  batch: spec.Batch,
  loss_type: spec.LossType,
  optimizer_state: OptimizerState,
  eval_results: spec.EvalResults,
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  """One step, from the initial weights where a point begins.

  Raises:
    TrainingCompleteError: all points have had their steps.
  """
  del current_params_types, hyperparameters, loss_type, eval_results
  (moments, initial), step = optimizer_state
  params, begins = current_param_container, starts(workload.step_hint)
  if global_step >= begins[-1]:
    raise spec.TrainingCompleteError
  if global_step in begins:  # As copies: the step donates its arguments.
    params, model_state = jax.tree.map(jnp.array, initial)
    moments = jax.tree.map(jnp.zeros_like, moments)
  index = sum(global_step >= begin for begin in begins) - 1
  moments, params, model_state, loss, norm = step(
    moments, params, model_state, batch, rng, index
  )
  if global_step % 100 == 0 and workload.metrics_logger is not None:
    workload.metrics_logger.append_scalar_metrics(
      {'loss': loss, 'grad_norm': norm}, global_step
    )
  return (State(moments, initial), step), params, model_state


def data_selection(
  workload: spec.Workload,
  input_queue: Iterator[spec.Batch],
  optimizer_state: OptimizerState,
  current_param_container: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  global_step: int,
  rng: spec.RandomState,
) -> spec.Batch:
  """The next batch."""
  del workload, optimizer_state, current_param_container, model_state
  del hyperparameters, global_step, rng
  return next(input_queue)
