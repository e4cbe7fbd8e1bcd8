"""Does nothing, to compare with."""


def get_batch_size(workload_name):
  return 16


def init_optimizer_state(workload, params, model_state, hyperparameters, rng):
  return None, None


def data_selection(workload, input_queue, *_):
  return next(input_queue)


def update_params(
  workload, current_param_container, model_state, eval_results, **_
):
  return (None, None), current_param_container, model_state
