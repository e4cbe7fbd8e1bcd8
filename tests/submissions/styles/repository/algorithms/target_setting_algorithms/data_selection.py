"""Which examples to train on: the next ones."""

from typing import Any

from algoperf import spec


def data_selection(
  workload: spec.Workload,
  input_queue: Any,
  optimizer_state: spec.OptimizerState,
  current_param_container: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  hyperparameters: spec.Hyperparameters,
  global_step: int,
  rng: spec.RandomState,
) -> dict[str, spec.Tensor]:
  del workload, optimizer_state, current_param_container
  del model_state, hyperparameters, global_step, rng
  return next(input_queue)
