"""`algoperf check`: one line for each thing found, and never a traceback."""

import json
import pathlib
import subprocess
import sys

import pytest

from algoperf import cli, inspection
from tests.algoperf import style_steps
from workloads import registry

_ROOT = pathlib.Path(__file__).parents[2]
_SUBMISSION = """
import jax
import optax
from algoperf import spec

RATE = 0.1


def get_batch_size(workload_name):
  return {'mnist_resnet': 64}[workload_name]


def init_optimizer_state(workload, model_params, model_state, hyperparameters,
                         rng):
  tx = optax.sgd(RATE)

  def step(opt_state, params, batch):
    def loss_fn(params):
      logits, _ = workload.model_fn(
        params, batch, {'mean': 0.0}, spec.ForwardPassMode.EVAL, rng, False)
      return workload.loss_fn(batch['targets'], logits)['summed']

    updates, opt_state = tx.update(jax.grad(loss_fn)(params), opt_state, params)
    return opt_state, optax.apply_updates(params, updates)

  return tx.init(model_params), jax.jit(step, donate_argnums=(0, 1))


def data_selection(workload, input_queue, *_):
  return next(input_queue)


def update_params(workload, current_param_container, current_params_types,
                  model_state, hyperparameters, batch, loss_type,
                  optimizer_state, eval_results, global_step, rng):
  opt_state, step = optimizer_state
  before = current_param_container
  opt_state, params = step(opt_state, before, batch)
  return (opt_state, step), params, model_state
"""
# What is put in whose place, and what is said of it.
_BROKEN = {
  'good': ('', '', '3 steps, training loss'),
  'arity': (
    'return (opt_state, step), params, model_state',
    'both = params, model_state\n  return both',
    'arity.py:33: update_params returns 2 values',
  ),
  'globals': (
    'before = current_param_container',
    'global RATE\n  RATE *= 2\n  '
    'before = jax.tree.map(lambda p: p * RATE, current_param_container)',
    "from a saved state ends otherwise: params['body']['kernel']",
  ),
  'import': (
    'RATE = 0.1',
    'raise KeyError("why")',
    "import.py:6: KeyError: 'why'",
  ),
  'raises': (
    'tx = optax.sgd(RATE)',
    'raise RuntimeError("no state")',
    'raises.py:15: RuntimeError: no state',
  ),
  'nan': (
    'RATE = 0.1',
    'RATE = float("nan")',
    'training loss is nan',
  ),
  'exits': (
    'return next(input_queue)',
    'import os; os._exit(3)',
    3,
  ),
  'batch': (
    'return next(input_queue)',
    'return None',
    'batch.py:29: data_selection returns NoneType: must be a batch',
  ),
  'compiles': (
    'before = current_param_container',
    'before = current_param_container\n  '
    'jax.jit(lambda x: x + global_step)(1.0)',
    'step 3 compiles again: jit(<lambda>)',
  ),
  'type': (
    'return (opt_state, step), params, model_state',
    "return (opt_state, step), jax.tree.map(lambda p: p.astype('float16'), "
    'params), model_state',
    "step 1 returns params['body']['kernel'] as float16[4, 3] where the model",
  ),
  'donated': (
    'return (opt_state, step), params, model_state',
    'return (opt_state, step), before, model_state',
    "step 1 returns params['body']['kernel'], which it has donated",
  ),
  'cheats': (
    'return next(input_queue)',
    'import time; time.time = float; return next(input_queue)',
    'changes time.time',
  ),
}
_STYLES = {
  'pmap_05': 'raises KeyError',
  'momentum': 'is None',
  'self_tuning': 'raises UnboundLocalError',
}
_LONG = _BROKEN.keys() - {'good', 'arity', 'globals', 'raises'}


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
  folder = tmp_path_factory.mktemp('sources')
  for name, (old, new, _) in _BROKEN.items():
    assert old in _SUBMISSION
    text = _SUBMISSION.replace(old, new) if old else _SUBMISSION
    (folder / f'{name}.py').write_text(text)
  return folder


def _dry_runs(paths):
  """By name, the findings on the toy workload."""
  output = subprocess.run(
    [sys.executable, '-m', 'tests.algoperf.toy_dry_run', *map(str, paths)],
    cwd=_ROOT,
    check=True,
    stdout=subprocess.PIPE,
    text=True,
  ).stdout
  return [json.loads(line) for line in output.splitlines()]


def _check(name, found):
  expected = _BROKEN[name][2]
  if isinstance(expected, int):
    assert found == expected
    return
  last = found[-1]
  assert expected in last['found']
  assert bool(last['advice']) == (name != 'good')
  assert '\n' not in last['found'] + last['advice']


@pytest.fixture(scope='module')
def found(sources):
  """Of some submissions, what their dry runs on the toy workload find."""
  names = sorted(_BROKEN.keys() - _LONG)
  paths = [sources / f'{name}.py' for name in names]
  return dict(zip(names, _dry_runs(paths), strict=True))


@pytest.mark.parametrize('name', sorted(_BROKEN.keys() - _LONG))
def test_three_steps_show_what_is_wrong(name, found):
  _check(name, found[name])


@pytest.mark.long
def test_three_steps_show_what_else_is_wrong(sources):
  names = sorted(_LONG)
  paths = [sources / f'{name}.py' for name in names]
  for name, found in zip(names, _dry_runs(paths), strict=True):
    _check(name, found)


def test_batch_sizes_are_asked_for(found):
  sizes = [f['found'] for f in found['good'] if f['what'] == 'batch size']
  assert sizes[0] == "mnist_resnet 64: get_batch_size('mnist_resnet') is 64"
  assert 'raises KeyError' in sizes[1]


@pytest.mark.long
def test_styles_of_algoperf_take_three_steps():
  paths = [style_steps.STYLES / path for path in style_steps.PATHS.values()]
  for style, found in zip(style_steps.PATHS, _dry_runs(paths), strict=True):
    assert not any(finding['advice'] for finding in found), found
    assert 'saved and restored' in found[-1]['found']
    if style in _STYLES:
      assert any(_STYLES[style] in finding['found'] for finding in found)


def test_there_is_a_toy_of_every_family():
  assert len(registry.toys()) == len(registry._FAMILIES)
  assert not set(registry.toys()) & set(registry.names())
  for name in registry.toys():
    assert registry.get(name).name == name


@pytest.mark.long
def test_all_families_take_three_steps(capsys):
  assert cli.main(['check', 'adamw']) == 0
  output = capsys.readouterr().out
  for name in registry.toys():
    assert f'ok       dry run on {name}: 3 steps' in output


def test_a_process_that_ends_itself_is_one_line(monkeypatch, sources, capsys):
  monkeypatch.setattr(inspection, '_WORKER', 'algoperf.no_such_module')
  monkeypatch.setattr(registry, 'toys', lambda: ['toy'])
  assert cli.main(['check', str(sources / 'good.py')]) == 1
  output = capsys.readouterr().out
  assert 'PROBLEM  dry run on toy: its process ended itself with exit' in output


@pytest.mark.parametrize(
  ('space', 'said'),
  [
    ('{"lr": {"min": 1, "max": }}', 'tuning_search_space.json:1: not JSON'),
    ('{"lr": {"mn": 1}}', "hyperparameter 'lr': unknown key 'mn'"),
    ('[]', 'the list of points is empty'),
  ],
)
def test_a_bad_search_space_is_one_line(space, said, tmp_path, capsys):
  (tmp_path / 'submission.py').write_text(_SUBMISSION)
  (tmp_path / 'tuning_search_space.json').write_text(space)
  assert cli.main(['check', str(tmp_path)]) == 1
  output = capsys.readouterr().out
  assert said in output
  assert 'ok       dry run: left out' in output


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('import optax\ndef optimizer(\n', 'mine.py:2: '),
    ('import torch', 'mine.py:1: imports torch'),
    ('def update_params(): ...', 'mine.py: get_batch_size'),
    ('', 'mine.py: defines no submission'),
  ],
)
def test_what_is_no_submission_is_one_line(text, said, tmp_path, capsys):
  path = tmp_path / 'mine.py'
  path.write_text(text)
  assert cli.main(['check', str(path)]) == 2
  printed = capsys.readouterr()
  assert said in printed.err
  assert printed.err.count('\n') == 1
