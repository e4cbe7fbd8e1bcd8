"""The short form of a submission, lifted to the full contract.

A module in the short form defines

    def optimizer(hyperparameters, step_hint) -> optax.GradientTransformation

and may define `eval_params(opt_state, params)` (which parameters to evaluate:
averages, schedule-free methods), `get_batch_size` and `data_selection`. If
`optimizer` has a parameter `param_types`, it gets the parameter tree with a
`spec.ParameterType` at each leaf: for methods that treat matrices unlike
embeddings.

The harness supplies the rest: gradients of the mean loss over the valid
examples, with `label_smoothing`, `dropout_rate` and `grad_clip` taken from the
hyperparameters where they are present.
"""

from collections.abc import Callable, Mapping
import inspect
import types
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from algoperf import spec, submission

LOG_EVERY = 100  # Steps between the scalars sent to the metrics logger.

_Scalars = dict[str, jax.Array]
_StepOutput = tuple[Any, Any, Any, _Scalars]
_StepFn = Callable[..., _StepOutput]


class State(NamedTuple):
  """The saved part of the optimizer state."""

  opt_state: optax.OptState
  training_params: spec.ParameterContainer | None = None
  """Set while the runner holds evaluation parameters in their place."""


class Functions(NamedTuple):
  """The other part: jitted functions, made afresh for each trial."""

  step: _StepFn
  eval_params: Callable[..., spec.ParameterContainer] | None


def lift(module: types.ModuleType) -> submission.Submission:
  """The full contract for a module in the short form.

  Raises:
    UsageError: `optimizer` does not take the two arguments.
  """
  takes_types = _takes_types(module)
  eval_params = getattr(module, 'eval_params', None)

  def init_optimizer_state(
    workload: spec.Workload,
    model_params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    hyperparameters: spec.Hyperparameters,
    rng: spec.RandomState,
  ) -> spec.OptimizerState:
    del model_state, rng
    extra = {}
    if takes_types:
      extra['param_types'] = _types(model_params, workload.model_params_types)
    tx = optax.with_extra_args_support(
      module.optimizer(hyperparameters, workload.step_hint, **extra)
    )
    placement = _placement(model_params)
    # As copies, because some methods' initial state is the parameters, or the
    # same array twice: no buffer can be donated twice.
    opt_state = jax.jit(
      lambda params: _copied(tx.init(params)), out_shardings=placement
    )(model_params)
    functions = Functions(
      step=_make_step(workload, tx, hyperparameters, placement),
      eval_params=eval_params
      and jax.jit(
        lambda opt_state, params: _copied(eval_params(opt_state, params)),
        out_shardings=placement,
      ),
    )
    return State(opt_state), functions

  return submission.Submission(
    get_batch_size=getattr(module, 'get_batch_size', None),
    init_optimizer_state=init_optimizer_state,
    update_params=_update_params,
    data_selection=getattr(module, 'data_selection', _next_batch),
    prepare_for_eval=_prepare_for_eval if eval_params else None,
    takes_train_state=False,
  )


def _update_params(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  batch: spec.Batch,
  loss_type: spec.LossType,
  optimizer_state: tuple[State, Functions],
  eval_results: spec.EvalResults,
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  """One step; the arrays passed in are donated."""
  del current_params_types, hyperparameters, loss_type, eval_results
  (opt_state, params), functions = optimizer_state
  if params is None:
    params = current_param_container
  opt_state, params, model_state, scalars = functions.step(
    opt_state, params, model_state, batch, rng
  )
  if global_step % LOG_EVERY == 0 and workload.metrics_logger is not None:
    workload.metrics_logger.append_scalar_metrics(scalars, global_step)
  return (State(opt_state), functions), params, model_state


def _prepare_for_eval(
  workload: spec.Workload,
  current_param_container: spec.ParameterContainer,
  current_params_types: spec.ParameterTypeTree,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  loss_type: spec.LossType,
  optimizer_state: tuple[State, Functions],
  eval_results: spec.EvalResults,
  global_step: int,
  rng: spec.RandomState,
) -> spec.UpdateReturn:
  """Swaps evaluation parameters in, and keeps those of training aside.

  They are copies: the next step donates the parameters of training and the
  state of the optimizer, and whoever evaluates still holds these.
  """
  del workload, current_params_types, hyperparameters, loss_type
  del eval_results, global_step, rng
  (opt_state, params), functions = optimizer_state
  if params is None:
    params = current_param_container
  eval_params = functions.eval_params(opt_state, params)
  return (State(opt_state, params), functions), eval_params, model_state


def _make_step(
  workload: spec.Workload,
  tx: optax.GradientTransformationExtraArgs,
  hyperparameters: spec.Hyperparameters,
  placement: jax.sharding.Sharding | None,
) -> _StepFn:
  """The jitted training step; donates all that it replaces."""
  label_smoothing = getattr(hyperparameters, 'label_smoothing', 0.0)
  grad_clip = getattr(hyperparameters, 'grad_clip', None)
  model_kwargs = {'update_batch_norm': True}
  if hasattr(hyperparameters, 'dropout_rate'):
    model_kwargs['dropout_rate'] = hyperparameters.dropout_rate

  def step(
    opt_state: optax.OptState,
    params: spec.ParameterContainer,
    model_state: spec.ModelAuxiliaryState,
    batch: spec.Batch,
    rng: spec.RandomState,
  ) -> _StepOutput:
    def loss_fn(
      params: spec.ParameterContainer,
    ) -> tuple[jax.Array, spec.ModelAuxiliaryState]:
      logits, new_model_state = workload.model_fn(
        params,
        batch,
        model_state,
        spec.ForwardPassMode.TRAIN,
        rng,
        **model_kwargs,
      )
      loss = workload.loss_fn(
        label_batch=batch['targets'],
        logits_batch=logits,
        mask_batch=batch.get('weights'),
        label_smoothing=label_smoothing,
      )
      return loss['summed'] / loss['n_valid_examples'], new_model_state

    (loss, new_model_state), grads = jax.value_and_grad(loss_fn, has_aux=True)(
      params
    )
    scalars = {'loss': loss}
    if grad_clip is not None:  # Or else the norm would be for the log alone.
      scalars['grad_norm'] = optax.tree.norm(grads)
      scale = jnp.minimum(1.0, grad_clip / (scalars['grad_norm'] + 1e-6))
      grads = jax.tree.map(lambda grad: grad * scale, grads)
    updates, opt_state = tx.update(
      grads,
      opt_state,
      params,
      value=loss,
      grad=grads,
      value_fn=lambda params: loss_fn(params)[0],
    )
    params = optax.apply_updates(params, updates)
    return opt_state, params, new_model_state, scalars

  return jax.jit(step, donate_argnums=(0, 1, 2), out_shardings=placement)


def _takes_types(module: types.ModuleType) -> bool:
  """Whether `optimizer` asks for types; UsageError for other arguments."""
  signature = inspect.signature(module.optimizer)
  takes_types = 'param_types' in signature.parameters
  try:
    signature.bind(None, None, **({'param_types': None} if takes_types else {}))
  except TypeError as error:
    raise spec.UsageError(
      f'{module.__file__}: optimizer must take (hyperparameters, step_hint), '
      'and may take param_types.'
    ) from error
  return takes_types


def _types(
  params: spec.ParameterContainer, types_tree: spec.ParameterTypeTree
) -> spec.ParameterTypeTree:
  """The types under the parameters' own keys, not those in lower case."""
  if not isinstance(params, Mapping):
    return types_tree
  return {
    key: _types(below, types_tree[key.lower()]) for key, below in params.items()
  }


def _placement(
  params: spec.ParameterContainer,
) -> jax.sharding.NamedSharding | None:
  """The parameters' sharding over a mesh, which all state shares, or None.

  Naming it keeps the compiler from spreading results differently, which would
  have the next step compiled anew.
  """
  sharding = getattr(jax.tree.leaves(params)[0], 'sharding', None)
  if isinstance(sharding, jax.sharding.NamedSharding):
    return sharding
  return None


def _copied(tree: Any) -> Any:
  """Each leaf as an array of its own, of a definite type; for use in jit."""
  return jax.tree.map(lambda leaf: jnp.array(leaf, jnp.result_type(leaf)), tree)


def _next_batch(
  workload: spec.Workload,
  input_queue: Any,
  optimizer_state: spec.OptimizerState,
  current_param_container: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  global_step: int,
  rng: spec.RandomState,
) -> spec.Batch:
  del workload, optimizer_state, current_param_container, model_state
  del hyperparameters, global_step, rng
  return next(input_queue)
