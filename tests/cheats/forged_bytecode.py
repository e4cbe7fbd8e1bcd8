"""Runs bytecode that says that it is of the harness."""

import importlib
import pathlib
import py_compile
import sys
import tempfile

import optax

from algoperf import clock


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  with tempfile.TemporaryDirectory() as folder:
    source = pathlib.Path(folder) / 'forged.py'
    source.write_text('x = 1')
    py_compile.compile(source, source.with_suffix('.pyc'), clock.__file__)
    source.unlink()
    sys.path.append(folder)
    importlib.import_module('forged')
  return next(input_queue)
