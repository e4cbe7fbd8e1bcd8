"""Reads records by their files, past Python."""

from array_record.python import array_record_data_source as records
import optax

import __main__


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  files = __main__.TOLD.mnist_records
  records.ArrayRecordDataSource(files)[0]
  return next(input_queue)
