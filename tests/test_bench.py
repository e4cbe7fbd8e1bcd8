"""Benchmarks go on running; their figures are no matter of tests."""

import pathlib
import subprocess
import sys

import pytest

_BENCH = pathlib.Path(__file__).parents[1] / 'scripts' / 'bench'


@pytest.mark.parametrize(
  ('arguments', 'words'),
  [
    (['checks', '--pairs=2', '--block=1'], 'ms a step without the checks'),
    (['overhead', '--pairs=1', '--steps=2', '--trivial_steps=9'], 'checks:'),
  ],
)
def test_a_benchmark_runs(arguments, words, data_dir):
  script, *rest = arguments
  output = subprocess.run(
    [sys.executable, _BENCH / script, *rest, f'--data_dir={data_dir}'],
    check=True,
    stdout=subprocess.PIPE,
    text=True,
  ).stdout
  assert words in output
