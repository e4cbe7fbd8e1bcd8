"""`scripts/calibrate`: which one setting is best for all workloads."""

from collections.abc import Mapping
import json
import math
import pathlib

import pytest

from tests import scripts
from tests.scoring import logs_on_disk

HIT, MISS = {'accuracy': 0.99, 'bleu': 99.0, 'ppl': 1.0}, {'ppl': 20.0}
METRICS = {
  'mnist_resnet': 'accuracy',
  'numerals_wmt': 'bleu',
  'shakespeare_lm': 'ppl',
}


def write_point(
  root: pathlib.Path, trial: int, rate: float, times: Mapping[str, float]
) -> None:
  """One point tried on some workloads; infinite: the target was missed."""
  for workload, time in times.items():
    metric = METRICS[workload]
    missed = math.isinf(time)
    directory = logs_on_disk.write_trial(
      root,
      workload=workload,
      trial=trial,
      metric=metric,
      evaluations=[
        (9.0 if missed else time, (MISS if missed else HIT)[metric])
      ],
    )
    (directory / 'hparams.json').write_text(json.dumps({'rate': rate}))


@pytest.fixture
def calibrate(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path):
  script = scripts.load('calibrate')

  def call() -> None:
    monkeypatch.setattr('sys.argv', ['calibrate', str(tmp_path)])
    script.main()

  return call


def test_the_best_setting_is_that_of_the_best_score(
  tmp_path: pathlib.Path, calibrate, capsys: pytest.CaptureFixture[str]
):
  fast, slow = dict.fromkeys(METRICS, 2.0), dict.fromkeys(METRICS, 4.0)
  write_point(tmp_path, 1, 0.1, slow)
  write_point(tmp_path, 2, 0.2, fast | {'shakespeare_lm': 6.0})
  write_point(tmp_path, 3, 0.3, fast | {'shakespeare_lm': math.inf})
  write_point(tmp_path, 4, 0.4, {'numerals_wmt': 2.0})
  calibrate()
  # Ratios 2, 2, 1; 1, 1, 1.5; 1, 1, ∞; ∞, 1, ∞. To a ratio of 4 a ratio r adds
  # (4 − r)/3 of one third.
  assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
    ['score', 'mnist_resnet', 'numerals_wmt', 'shakespeare_lm', 'point'],
    ['0.944', '2.0', 's', '2.0', 's', '6.0', 's', '{"rate":', '0.2}'],
    ['0.778', '4.0', 's', '4.0', 's', '4.0', 's', '{"rate":', '0.1}'],
    ['0.667', '2.0', 's', '2.0', 's', '–', '{"rate":', '0.3}'],
    ['0.333', '–', '2.0', 's', '–', '{"rate":', '0.4}'],
  ]


def test_several_studies_of_a_point_count_by_their_median(
  tmp_path: pathlib.Path, calibrate, capsys: pytest.CaptureFixture[str]
):
  for trial, time in enumerate((2.0, 3.0, math.inf), start=1):
    write_point(tmp_path, trial, 0.1, {'shakespeare_lm': time})
  calibrate()
  assert '3.0 s  {"rate": 0.1}' in capsys.readouterr().out


@pytest.mark.parametrize(
  ('name', 'content', 'said'),
  [
    ('trial.json', '{"status": "beaten"}', 'without --stop_when_beaten'),
    ('hparams.json', '{}', 'trial_1 has no hyperparameters'),
    ('hparams.json', '[1]', 'hparams.json: it holds no JSON object'),
  ],
)
def test_what_tells_too_little_is_refused(
  tmp_path: pathlib.Path, calibrate, name: str, content: str, said: str
):
  write_point(tmp_path, 1, 0.1, {'shakespeare_lm': 2.0})
  [directory] = tmp_path.glob('sgd/study_1/shakespeare_lm_jax/trial_1')
  (directory / name).write_text(content)
  with pytest.raises(SystemExit, match=said):
    calibrate()


def test_points_of_several_submissions_are_refused(
  tmp_path: pathlib.Path, calibrate
):
  write_point(tmp_path, 1, 0.1, {'shakespeare_lm': 2.0})
  (tmp_path / 'sgd').rename(tmp_path / 'adam')
  write_point(tmp_path, 1, 0.1, {'shakespeare_lm': 2.0})
  with pytest.raises(SystemExit, match='points of adam, sgd: give the logs'):
    calibrate()
