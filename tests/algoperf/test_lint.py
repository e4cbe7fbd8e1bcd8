"""What breaks a rule is found where it is; honest source breaks none."""

import pathlib

import pytest

from algoperf import benchmark, lint, scaffold, sources, submission, tuning
from tests.algoperf import style_steps

_CHEATS = pathlib.Path(__file__).parents[1] / 'cheats'
_WORKLOADS = {
  row.name
  for name in benchmark.available()
  for row in benchmark.load(name).workloads
}


def _breaches(path):
  source = sources.locate(str(path))
  names = frozenset()
  if source.search_space:
    (point,) = tuning.load(source.search_space, 1, seed=0)
    names = frozenset(point)
  return list(lint.read(submission.check(source), _WORKLOADS, names))


def _found(tmp_path, text, shown=None):
  """(line, rule) of each breach of a source with these lines at its top."""
  path = tmp_path / 'mine.py'
  path.write_text(f'{text}\ndef optimizer(hyperparameters, step_hint): ...\n')
  breaches = _breaches(path)
  assert all(str(breach).count('\n') == 0 for breach in breaches)
  assert all(breach.rule in lint.RULES for breach in breaches)
  if shown is not None:
    assert any(shown in str(breach) for breach in breaches)
  return [(breach.line, breach.rule) for breach in breaches]


# By rule, sources of which the last line breaks it, and nothing else does.
_BROKEN = {
  'harness': [
    'from algoperf import trial',
    'import tensorflow_datasets as tfds',
    'import __main__',
    'import jax\ndef f():\n  return jax.live_arrays()',
    'def f(workload):\n  return workload.build_input_queue(0, "test", "", 8)',
  ],
  'process': [
    'import subprocess',
    'import os\nos.fork()',
    'import os\nos.execv',
  ],
  'thread': ['import threading', 'from concurrent import futures'],
  'network': ['import socket', 'from urllib import request'],
  'native-code': ['import ctypes', 'def f():\n  import mmap'],
  'frames': [
    'import gc',
    'import sys as s\ns._getframe(1)',
    'from inspect import currentframe',
    'def f(error):\n  return error.tb_frame',
    'def f(queue):\n  return getattr(queue, "gi_frame")',
  ],
  'internals': [
    'def f(g):\n  return g.__globals__',
    'def f(workload):\n  return workload.metrics_logger._Logger__append',
    'def f(g):\n  return g.__closure__',
  ],
  'late-code': [
    'import atexit',
    'class A:\n  def __del__(self): ...',
    'class A:\n  def __array__(self): ...',
  ],
  'environment': [
    'import os\nos.environ["XLA_FLAGS"] = ""',
    'from os import environ',
    'import os\nos.sched_setaffinity(0, {1})',
  ],
  'settings': [
    'import jax\njax.config.update("jax_enable_x64", True)',
    'from jax import config',
  ],
  'dynamic-code': [
    'exec("x = 1")',
    'import importlib',
    'import sys\nsys.modules',
    'f = eval',
  ],
  'patching': [
    'import time\ntime.time = float',
    'import time\nclock = time\nclock.monotonic = float',
    'import jax\nsetattr(jax, "jit", None)',
    'import jax\nvars(jax)["jit"] = None',
    'import jax\njax.__dict__.update(jit=None)',
    'import jax.numpy as jnp\ndel jnp.asarray',
    'from algoperf import spec\nspec.Goal.reached = None',
    'def f(workload):\n  workload.num_train_examples = 1',
    'def f(workload):\n  object.__setattr__(workload.goal, "x", 1)',
    'def f(eval_results):\n  eval_results.clear()',
    'def f(thing):\n  thing.__class__ = int',
  ],
  'file': [
    'import numpy as np\nnp.load("weights.npy")',
    'f = open("weights")',
    'def f(path):\n  return path.read_bytes()',
    'import shutil',
  ],
  'path': [
    'DATA = "/home/me/data"',
    'CACHE = "~/cache"',
    'BUCKET = "gs://bucket/x"',
  ],
  'workload-name': [
    'RATES = {"wmt": 0.1}',
    'def f(x):\n  return x == "imagenet_resnet_silu"',
    'def f(workload):\n  return workload.name',
    'def f(workload):\n  return type(workload)',
    'def get_batch_size(workload_name):\n  global NAME',
  ],
  'workload-detection': [
    'def f(workload):\n  return workload.num_train_examples == 3000',
    'def f(workload):\n  return workload.target_metric_name == "bleu"',
    'def f(workload, table):\n  return table[workload.step_hint]',
    'def f(workload, table):\n  return table.get(str(workload.param_shapes))',
    'def f(x):\n  return x.shape == (1024, 50257)',
    'def f(xs):\n  return sum(x.size for x in xs) == 25557032',
  ],
}


@pytest.mark.parametrize(
  ('rule', 'text'),
  [(rule, text) for rule, texts in _BROKEN.items() for text in texts],
)
def test_a_breach_is_found_in_its_line(rule, text, tmp_path):
  assert _found(tmp_path, text) == [(text.count('\n') + 1, rule)]


@pytest.mark.parametrize(
  ('text', 'shown'),
  [
    (
      'def update_params(workload, batch): raise KeyError',
      'does not take current_param',
    ),
    ('def data_selection(a, b): ...', 'takes 2 arguments by position'),
    ('def get_batch_size(a, b): ...', 'takes 2 arguments by position'),
    (
      'def update_params(*, extra, **_): return 1, 2, 3',
      'wants extra, which nobody gives',
    ),
    ('def update_params(**_): return 1, 2', 'returns 2 values'),
    ('def prepare_for_eval(**_): return', 'returns None'),
    ('def prepare_for_eval(**_): print(1)', 'returns nothing'),
    ('def optimizer(hyperparameters): ...', 'takes 1 arguments'),
  ],
)
def test_signatures(text, shown, tmp_path):
  path = tmp_path / 'mine.py'
  source = f'{text}\n'
  if 'update_params' in text:  # Then the form is the full one.
    names = ('get_batch_size', 'init_optimizer_state', 'data_selection')
    source += ''.join(f'{name} = None\n' for name in names)
  elif 'optimizer' not in text:
    source += 'def optimizer(hyperparameters, step_hint): ...\n'
  path.write_text(source)
  (breach,) = _breaches(path)
  assert breach.rule == 'signature'
  assert shown in str(breach)
  assert breach.line == 1


@pytest.mark.parametrize(
  'text',
  [
    '_SIZES = {"wmt": 128}\ndef get_batch_size(name):\n  return _SIZES[name]',
    'def get_batch_size(name):\n  return 64 if name == "wmt" else 32',
    '"""Beats what is known on wmt, see https://example.org."""',
    'import time\nNOW = time.monotonic()',
    'def f(x):\n  return x.shape == (2, 2) or x.ndim == 2 or x.size > 10_000',
    'def f(workload):\n  return 2 * workload.num_train_examples',
    'def f(workload):\n  workload.note_of_mine = 1',
    'import os\nf = open(os.path.dirname(__file__) + "/a.json")',
    'import numpy as np\nx = np.zeros(3)\nx[0] = 1',
    'class A:\n  def f(self):\n    object.__setattr__(self, "y", 2)',
    'NAME = "norm/scale"\nPATTERN = "/kernel"',
    'def f(xs):\n  xs.append(1)\n  xs.update(a=1)',
    'def f(eval_results):\n  return eval_results[-1][1]["validation/loss"]',
  ],
)
def test_what_is_allowed_is_not_flagged(text, tmp_path):
  assert _found(tmp_path, text) == []


_HONEST = [
  *sources.names(),
  *(str(style_steps.STYLES / path) for path in style_steps.PATHS.values()),
]


@pytest.mark.parametrize('reference', _HONEST)
def test_no_submission_of_ours_breaks_a_rule(reference):
  assert _breaches(reference) == []


@pytest.mark.parametrize('template', scaffold.TEMPLATES)
def test_no_template_breaks_a_rule(template, tmp_path):
  assert _breaches(scaffold.create('mine', tmp_path, template)) == []


@pytest.mark.parametrize(
  ('space', 'shown'),
  [
    ('[{"learning_rate": 0.1}]', 'hyperparameters.lr'),
    ('[{"lr": 0.1, "wmt_momentum": 0.9}]', "'wmt_momentum'"),
    (None, 'hyperparameters.lr'),
  ],
)
def test_source_and_search_space_agree(space, shown, tmp_path):
  (tmp_path / 'submission.py').write_text(
    'def optimizer(hyperparameters, step_hint):\n  return hyperparameters.lr\n'
  )
  if space:
    (tmp_path / 'tuning_search_space.json').write_text(space)
  (breach,) = _breaches(tmp_path)
  assert breach.rule == 'search-space'
  assert shown in str(breach)


# What only a run shows: these look like anybody's code.
_UNREADABLE = {
  'flatten',
  'logs_results',
  'runs_in_init',
  'works_when_evaluated',
}


def test_cheats_can_be_read():
  """All of those that do what source can say."""
  found = {
    path.stem: {breach.rule for breach in _breaches(path)}
    for path in sorted(_CHEATS.glob('*.py'))
    if path.stem not in ('run', 'together', 'honest', 'idle')
  }
  assert {name for name, rules in found.items() if not rules} == _UNREADABLE
