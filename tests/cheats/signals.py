"""Has the evaluation interrupted by code of its own."""

import signal

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  signal.signal(signal.SIGALRM, lambda *_: None)
  signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
  return next(input_queue)
