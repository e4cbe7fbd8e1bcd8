"""Has weights in a file that looks like a search space."""

import pathlib
import tempfile

import optax


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'weights.json'
    path.write_text('[' + '0.125,' * (1 << 18) + '0]')
    path.read_text()
  return next(input_queue)
