"""`algoperf data`: what there is, and making what there is not."""

import pathlib

import pytest

from algoperf import cli


def test_prepares_and_says_what_is_there(
  data_dir: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
  assert cli.main(['data', 'status', 'mnist_resnet', f'--data_dir={tmp_path}'])
  out = capsys.readouterr().out
  assert out.startswith('mnist_resnet  The data set mnist5k in ')
  assert f'`algoperf data prepare mnist_resnet --data_dir={tmp_path}`' in out
  flag = f'--data_dir={data_dir}'
  assert cli.main(['data', 'prepare', 'mnist_resnet', flag]) == 0
  assert capsys.readouterr().out.endswith('mnist_resnet: ready\n')
  assert cli.main(['data', 'status', 'mnist_resnet', flag]) == 0
  assert capsys.readouterr().out.split() == ['mnist_resnet', 'ready']


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
