"""Writes a record by way of a link."""

import os
import tempfile

import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):

  link = os.path.join(tempfile.mkdtemp(), 'link')
  os.symlink(__main__.TOLD.experiment, link)
  open(os.path.join(link, 'kept'), 'w').close()
  return next(input_queue)
