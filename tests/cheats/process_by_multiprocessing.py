"""Starts a process that Python does not report."""

import multiprocessing

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  context = multiprocessing.get_context('spawn')
  context.Process(target=print, daemon=True).start()
  return next(input_queue)
