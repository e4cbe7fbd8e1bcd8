"""Moves a record away."""

import pathlib

import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  kept = pathlib.Path(__main__.TOLD.kept)
  kept.replace(kept.with_suffix('.old')).replace(kept)
  return next(input_queue)
