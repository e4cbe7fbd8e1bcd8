"""Overwrites a file of the experiment by a library's writer."""

from array_record.python import array_record_module
import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  array_record_module.ArrayRecordWriter(__main__.TOLD.kept, '').close()
  return next(input_queue)
