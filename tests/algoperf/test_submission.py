import dataclasses
import importlib.util
import py_compile
import subprocess
import sys

import numpy as np
import pytest

from algoperf import loader, source_tree, sources, spec, submission

_SHORT = 'def optimizer(hyperparameters, step_hint): ...\n'
_FULL = """
def get_batch_size(workload_name): return 8
def init_optimizer_state(*args): return (), None
def update_params(workload, rng): return None
def data_selection(*args): return {}
"""


def test_runs_the_source_and_not_the_bytecode_beside_it(write):
  helper = write('mine/helper.py', 'VALUE = "source"')
  py_compile.compile(
    write('other.py', 'VALUE = "bytecode"'),
    importlib.util.cache_from_source(helper),
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
  )
  tree = source_tree.read(write('mine/mine.py', 'from .helper import VALUE'))
  assert loader.load(tree, 'with_bytecode').VALUE == 'source'


@pytest.mark.parametrize(
  'text',
  [
    _SHORT,
    _FULL,
    'from elsewhere import optimizer',
    'from elsewhere import thing as optimizer',
    'from elsewhere import *',
    'optimizer = make()',
    'optimizer: object = make()',
    'if True:\n  optimizer = 1\nelse:\n  pass',
    'try:\n  import nowhere\nexcept ImportError:\n  optimizer = 1',
    'get_batch_size, data_selection = 1, 2\n'
    'init_optimizer_state = update_params = 3',
  ],
)
def test_check_accepts_every_way_to_define(write, text):
  write('elsewhere.py', '')
  submission.check(sources.locate(str(write('mine.py', text))))


@pytest.mark.parametrize(
  ('text', 'words'),
  [
    ('x = 1\ndef f(:\n', ['mine.py:2:', 'syntax']),
    ('x = "\0"', ['mine.py']),
    ('', ['optimizer(hyperparameters, step_hint)', 'update_params']),
    ('def make():\n  optimizer = 1', ['defines no submission']),
    (_FULL.replace('data_selection', 'select'), ['data_selection missing']),
    (_SHORT + 'def update_params(): ...', ['init_optimizer_state']),
    (_FULL + 'import torch.nn as nn', ['mine.py:6:', 'torch']),
    (_SHORT + 'from torch import nn', ['mine.py:2:', 'torch']),
  ],
)
def test_check_refuses_in_one_line(write, text, words):
  source = sources.locate(str(write('mine.py', text)))
  with pytest.raises(spec.UsageError) as error:
    submission.check(source)
  assert '\n' not in str(error.value)
  for word in words:
    assert word in str(error.value)


def test_locate_and_check_import_nothing_heavy():
  program = (
    'import sys; from algoperf import sources, submission;'
    'submission.check(sources.locate("nadamw"));'
    'sys.exit(int(bool({"jax", "numpy", "optax"} & set(sys.modules))))'
  )
  assert subprocess.run([sys.executable, '-c', program]).returncode == 0


def test_load_gives_the_functions_of_the_full_form(write):
  loaded = submission.load(sources.locate(str(write('full.py', _FULL))))
  assert loaded.get_batch_size('any') == 8
  assert loaded.data_selection() == {}
  assert loaded.prepare_for_eval is None
  assert not loaded.takes_train_state


@pytest.mark.parametrize('parameters', ['train_state=None', '**kwargs'])
def test_load_notices_train_state_and_prepare_for_eval(write, parameters):
  text = _FULL.replace('workload, rng', f'workload, rng, {parameters}')
  text += 'def prepare_for_eval(**kwargs): return 1\n'
  loaded = submission.load(sources.locate(str(write('full.py', text))))
  assert loaded.takes_train_state
  assert loaded.prepare_for_eval() == 1


def test_load_lets_a_submission_import_its_neighbours(write, tmp_path):
  """By name, relatively, and by the path from a repository's root."""
  write('.git', '')
  write('algorithms_of_mine/first/neighbour_of_first.py', 'SIZE = 2')
  write('algorithms_of_mine/common.py', 'SIZE = 3')
  text = _FULL.replace('return 8', 'return A * B * C') + (
    'from neighbour_of_first import SIZE as A\n'
    'from .neighbour_of_first import SIZE as B\n'
    'from algorithms_of_mine.common import SIZE as C\n'
  )
  path = write('algorithms_of_mine/first/submission.py', text)
  loaded = submission.load(sources.locate(str(path)))
  assert loaded.get_batch_size('any') == 12


def test_two_submissions_of_one_file_name_do_not_mix(write):
  sizes = []
  for folder, size in (('a', 1), ('b', 2)):
    text = _FULL.replace('return 8', f'return {size}')
    path = write(f'{folder}/submission.py', text)
    sizes.append(submission.load(sources.locate(str(path))))
  assert [s.get_batch_size('any') for s in sizes] == [1, 2]


def test_load_passes_on_what_the_code_raises(write):
  path = write('mine.py', _SHORT + '1 / 0')
  with pytest.raises(ZeroDivisionError):
    submission.load(sources.locate(str(path)))


def test_load_finds_missing_what_a_star_import_hid(write):
  source = sources.locate(str(write('mine.py', 'from math import *')))
  submission.check(source)
  with pytest.raises(spec.UsageError, match='defines no submission'):
    submission.load(source)


def _with_batch_sizes(sizes: dict[str, object]) -> submission.Submission:
  def get_batch_size(workload_name: str) -> object:
    if workload_name not in sizes:
      raise ValueError(workload_name)
    return sizes[workload_name]

  loaded = submission.load(sources.locate('nadamw'))
  return dataclasses.replace(loaded, get_batch_size=get_batch_size)


@pytest.mark.parametrize(
  ('sizes', 'expected', 'words'),
  [
    ({'wmt_glu': 4, 'wmt': 8}, 4, "get_batch_size('wmt_glu') is 4"),
    ({'wmt': np.int64(8)}, 8, "get_batch_size('wmt') is 8"),
    ({'wmt_glu': None, 'wmt': 8}, 8, "get_batch_size('wmt') is 8"),
    ({'lm': 2}, 16, "get_batch_size('wmt_glu') raises ValueError"),
    ({'wmt_glu': None}, 16, "get_batch_size('wmt_glu') is None"),
  ],
)
def test_batch_size_falls_back_to_base_and_definition(sizes, expected, words):
  loaded = _with_batch_sizes(sizes)
  size, origin = submission.batch_size(loaded, 'wmt_glu', 'wmt', 16)
  assert (size, type(size)) == (expected, int)
  assert words in origin


@pytest.mark.parametrize(
  'body',
  [
    'raise NotImplementedError',
    'raise Exception(name)',
    "return {'wmt': 8}[name]",
    "if name == 'wmt':\n    size = 8\n  return size",
    "if name == 'wmt':\n    return 8",
  ],
)
def test_each_has_its_own_way_not_to_know_a_workload(write, body):
  text = _FULL.replace(
    'def get_batch_size(workload_name): return 8',
    f'def get_batch_size(name):\n  {body}',
  )
  loaded = submission.load(sources.locate(str(write('mine.py', text))))
  size, origin = submission.batch_size(loaded, 'toy', 'toy', 16)
  assert size == 16
  assert "batches are the definition's" in origin


@pytest.mark.parametrize('size', [0, -3, 2.0, True, '64'])
def test_batch_size_must_be_a_positive_integer(size):
  loaded = _with_batch_sizes({'wmt': size})
  with pytest.raises(spec.UsageError, match=r"get_batch_size\('wmt'\)"):
    submission.batch_size(loaded, 'wmt', 'wmt', 16)
