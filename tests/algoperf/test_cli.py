"""The command line: what bad input gets, and what there is to see."""

import subprocess
import sys

import pytest

from algoperf import cli

_GOOD = 'def optimizer(hyperparameters, step_hint):\n  return None\n'


@pytest.fixture
def files(tmp_path):
  """A folder of bad submissions and search spaces."""
  for name, text in {
    'good.py': _GOOD,
    'broken.py': 'import optax\n\ndef optimizer(:\n',
    'partial.py': 'def update_params():\n  pass\n',
    'empty.py': 'x = 1\n',
    'space.json': '{"lr": {"min": 2, "max": 1, "scaling": "linear"}}',
    'list.json': '[{"lr": 1}, 2]',
    'not.json': '{"lr": ',
    'file': 'in the way of a directory',
  }.items():
    (tmp_path / name).write_text(text)
  return tmp_path


def run(files, *arguments: str) -> int:
  command = [argument.replace('@', f'{files}/') for argument in arguments]
  return cli.main(
    ['run', f'--experiment_dir={files}/out', '--data_dir=/nowhere', *command]
  )


@pytest.mark.parametrize(
  ('arguments', 'said'),
  [
    (
      ['--workload=mnist_resnt', '--submission=@good.py'],
      ['mnist_resnt', 'mnist_resnet'],
    ),
    (['--submission=@good.py'], ['--workload is required']),
    (['--workload=mnist_resnet'], ['--submission is required']),
    (
      ['--workload=mnist_resnet', '--submission=@missing.py'],
      ['missing.py'],
    ),
    (['--workload=mnist_resnet', '--submission=nadam'], ['nadamw']),
    (
      ['--workload=mnist_resnet', '--submission=@broken.py'],
      ['broken.py:3:'],
    ),
    (
      ['--workload=mnist_resnet', '--submission=@partial.py'],
      ['partial.py', 'init_optimizer_state', 'data_selection'],
    ),
    (
      ['--workload=mnist_resnet', '--submission=@empty.py'],
      ['empty.py', 'optimizer'],
    ),
    (
      [
        '--workload=mnist_resnet',
        '--submission=@good.py',
        '--tuning_search_space=@space.json',
      ],
      ['space.json', 'lr', '2', '1'],
    ),
    (
      [
        '--workload=mnist_resnet',
        '--submission=@good.py',
        '--tuning_search_space=@list.json',
      ],
      ['list.json', 'point 2'],
    ),
    (
      [
        '--workload=mnist_resnet',
        '--submission=@good.py',
        '--tuning_search_space=@not.json',
      ],
      ['not.json'],
    ),
    (
      [
        '--workload=mnist_resnet',
        '--submission=@good.py',
        '--tuning_search_space=@missing.json',
      ],
      ['missing.json'],
    ),
    (
      [
        '--workload=mnist_resnet',
        '--submission=@good.py',
        '--experiment_dir=@file/inside',
      ],
      ['file/inside', '--experiment_dir'],
    ),
    (
      [
        '--workload=mnist_resnet',
        '--submission=@good.py',
        '--ruleset=self',
        '--tuning_search_space=@space.json',
      ],
      ['--ruleset=self'],
    ),
    (
      ['--workload=mnist_resnet', '--submission=@good.py', '--ruleset=none'],
      ['ruleset', 'external'],
    ),
    (
      ['--workload=mnist_resnet', '--submission=@good.py', '--max_steps=0'],
      ['--max_steps=0'],
    ),
    (
      ['--workload=mnist_resnet', '--submission=@good.py', '--seed=-1'],
      ['seed'],
    ),
    (
      ['--workload=mnist_resnet', '--submission=@good.py', '--max_stps=1'],
      ['max_stps'],
    ),
    (
      ['--workload=mnist_resnet', '--submission=@good.py', '--benchmark=minni'],
      ['minni', 'mini'],
    ),
    (
      [
        '--workload=mnist_resnet',
        '--submission=nadamw',
        '--coordinator=10.0.0.1:7000',
      ],
      ['--num_processes', '--process_index'],
    ),
    (
      [
        '--workload=mnist_resnet',
        '--submission=nadamw',
        '--coordinator=here',
        '--num_processes=2',
        '--process_index=0',
      ],
      ["'here'", 'address:port'],
    ),
    (
      ['mnist_resnet', 'nadamw'],
      ["'mnist_resnet'", '--name=value'],
    ),
  ],
)
def test_bad_input_is_one_line_status_2_and_nothing_written(
  files, capsys, arguments, said
):
  before = sorted(files.rglob('*'))
  assert run(files, *arguments) == 2
  output = capsys.readouterr()
  assert output.out == ''
  assert output.err.count('\n') == 1
  assert output.err.startswith('algoperf: ')
  assert 'Traceback' not in output.err
  for text in said:
    assert text in output.err
  assert sorted(files.rglob('*')) == before


def test_unknown_command(capsys):
  assert cli.main(['runn']) == 2
  assert "did you mean 'run'" in capsys.readouterr().err


@pytest.mark.parametrize('name', cli.COMMANDS)
def test_every_command_explains_its_flags(name, capsys):
  assert cli.main([name, '--help']) == 0
  output = capsys.readouterr().out
  assert f'usage: algoperf {name}' in output
  assert '--' in output


def test_overview_names_every_command(capsys):
  assert cli.main([]) == 0
  output = capsys.readouterr().out
  assert all(name in output for name in cli.COMMANDS)


def test_list_workloads_shows_bases_variants_and_goals(capsys):
  assert cli.main(['list', 'workloads', '--benchmark=mini']) == 0
  lines = capsys.readouterr().out.splitlines()
  for word in ('metric', 'target', 'budget'):
    assert word in lines[1]
  rows = {line.split()[0]: line for line in lines[2:]}
  assert 'accuracy' in rows['mnist_resnet']
  assert 'base' in rows['mnist_resnet']
  assert 'variant' in rows['numerals_wmt_post_ln']
  assert 'ppl' in rows['shakespeare_lm']


def test_list_submissions_and_benchmarks(capsys):
  assert cli.main(['list', 'submissions', 'benchmarks']) == 0
  output = capsys.readouterr().out
  for name in ('nadamw', 'heavy_ball', 'mini', 'algoperf-0.5'):
    assert name in output


def test_list_of_something_else(capsys):
  assert cli.main(['list', 'optimizers']) == 2
  assert 'workloads, submissions, benchmarks' in capsys.readouterr().err


@pytest.mark.parametrize('command', ['--help', 'run --help', 'list'])
def test_help_and_list_import_nothing_heavy(command):
  code = f"""
import sys
from algoperf import cli
cli.main({command.split()!r})
heavy = {{'jax', 'numpy', 'pandas', 'flax', 'optax', 'rich'}} & set(sys.modules)
assert not heavy, heavy
"""
  subprocess.run([sys.executable, '-c', code], check=True, capture_output=True)
