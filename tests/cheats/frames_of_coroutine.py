"""Gets at frames by a coroutine."""

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


async def _wait():
  pass


def data_selection(workload, input_queue, *_):
  waiting = _wait()
  _ = waiting.cr_frame
  waiting.close()
  return next(input_queue)
