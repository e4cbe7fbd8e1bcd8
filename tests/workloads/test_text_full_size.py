"""Full-size text workloads through the command line, from tiny data sets."""

import csv
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.workloads import tiny_text

_BENCHMARK = """
name = "tiny"
description = "full size, two steps"
stop_at = ["validation"]
[scoring]
study = "least_time"
workload = "median"
held_out = "none"
max_ratio = 4.0
integral = "exact"
[rulesets.external]
trials = 1
studies = 1
budget_factor = 1.0
[rulesets.self]
trials = 1
studies = 1
budget_factor = 1.0
[workloads.{name}]
metric = "{metric}"
comparison = "{comparison}"
max_runtime = 3600
eval_period = 3000
step_hint = 2
batch_size = 2
target_source = "none"
"""


@pytest.fixture(scope='module')
def tiny(tmp_path_factory) -> str:
  path = str(tmp_path_factory.mktemp('tiny'))
  # Splits are of one size, so that evaluation is compiled once.
  tiny_text.write_wmt(path, {'train': 2, 'validation': 2, 'test': 2})
  tiny_text.write_lm1b(path, {'train': 4, 'test': 8})
  # One document for training, one held out, each of two windows and a rest.
  texts = tiny_text.documents(2, 50_257, lengths=(2 * 1025, 3 * 1025))
  tiny_text.write_fineweb(path, texts, 1024)
  return path


def _algoperf(*arguments: str) -> None:
  code = 'from algoperf import cli; cli.entry()'
  command = [sys.executable, '-c', code, *arguments]
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.long
@pytest.mark.parametrize(
  ('name', 'metric', 'comparison'),
  [
    ('wmt', 'bleu', '>='),
    ('lm1b', 'ppl', '<='),
    ('finewebedu_lm', 'ppl', '<='),
  ],
)
def test_runs_two_steps(tiny, tmp_path, name, metric, comparison):
  benchmark = tmp_path / 'tiny.toml'
  benchmark.write_text(
    _BENCHMARK.format(name=name, metric=metric, comparison=comparison)
  )
  _algoperf('data', 'prepare', name, f'--data_dir={tiny}')  # The vocabulary.
  _algoperf(
    *('run', f'--workload={name}', '--submission=nesterov', '--max_steps=2'),
    *(f'--benchmark={benchmark}', f'--data_dir={tiny}', '--seed=1'),
    f'--experiment_dir={tmp_path / "runs"}',
  )
  (measured,) = pathlib.Path(tmp_path, 'runs').rglob('measurements.csv')
  with measured.open() as file:
    rows = list(csv.DictReader(file))
  losses = [float(row['validation/loss'] or 'nan') for row in rows]
  losses = [loss for loss in losses if not np.isnan(loss)]
  assert losses and max(losses) < 50
