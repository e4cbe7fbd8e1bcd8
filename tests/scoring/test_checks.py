"""What cannot be compared is refused, what is odd is said."""

import json
import pathlib
from typing import Any

import pytest

from algoperf import benchmark, spec
import scoring
from scoring import published, rows, sentences, studies
from tests.scoring import logs_on_disk

H200 = {'platform': 'gpu', 'device': 'NVIDIA H200', 'devices': 1}
CPU = {'platform': 'cpu', 'cpu': 'Some CPU', 'cores': 2}


def write_competition(root: pathlib.Path, **details: dict[str, Any]) -> None:
  """Complete logs of 'mini' in the self-tuning ruleset.

  Args:
    root: where to write them.
    **details: by submission, what its trial.json files say.
  """
  for submission, content in details.items():
    for workload, metric, good in (
      ('mnist_resnet', 'accuracy', 0.99),
      ('numerals_wmt', 'bleu', 99.0),
      ('shakespeare_lm', 'ppl', 1.0),
    ):
      for study in (1, 2, 3):
        directory = logs_on_disk.write_trial(
          root,
          submission=submission,
          workload=workload,
          study=study,
          metric=metric,
          evaluations=[(10.0 + study, good)],
        )
        (directory / 'trial.json').write_text(json.dumps(content))


def scored(root: pathlib.Path, **options: Any) -> scoring.Result:
  return scoring.score(root, 'mini', ruleset='self', **options)


def test_complete_logs_pass_strictly(tmp_path: pathlib.Path):
  digest = benchmark.load('mini').digest
  details = {'hardware': CPU, 'benchmark': 'mini', 'benchmark_digest': digest}
  write_competition(tmp_path, a=details, b=details)
  result = scored(tmp_path, strict=True)
  assert result.warnings.empty
  assert result.hardware.to_numpy().tolist() == [
    ['a', 'cpu: Some CPU, 2 cores', 9],
    ['b', 'cpu: Some CPU, 2 cores', 9],
  ]


@pytest.mark.parametrize(
  ('what', 'details', 'named'),
  [
    (
      'hardware',
      ({'hardware': CPU}, {'hardware': H200}),
      ('cpu: Some CPU, 2 cores', '1 × NVIDIA H200'),
    ),
    (
      'definitions',
      (
        {'benchmark': 'mini', 'benchmark_digest': '1' * 64},
        {'benchmark': 'mine', 'benchmark_digest': '2' * 64},
      ),
      ('mini, digest 11111111', 'mine, digest 22222222'),
    ),
  ],
)
def test_mixtures_are_refused_unless_allowed(
  tmp_path: pathlib.Path,
  what: str,
  details: tuple[dict[str, Any], dict[str, Any]],
  named: tuple[str, str],
):
  write_competition(tmp_path, a=details[0], b=details[1])
  with pytest.raises(spec.UsageError) as error:
    scored(tmp_path)
  message = str(error.value)
  assert f'--allow={what}' in message
  assert '\n' not in message
  for text in (*named, str(tmp_path / 'a'), str(tmp_path / 'b')):
    assert text in message
  result = scored(tmp_path, allow=[what])
  assert result.scores['score'].tolist() == [1.0, 1.0]
  kinds = {'hardware': 'other hardware', 'definitions': 'other definition'}
  assert kinds[what] in set(result.warnings['kind'])
  with pytest.raises(spec.UsageError, match='--allow takes hardware'):
    scored(tmp_path, allow=['everything'])


def test_a_disqualified_trial_counts_as_not_reached_and_is_said(
  tmp_path: pathlib.Path,
):
  write_competition(tmp_path, a={'status': 'disqualified'}, b={})
  result = scored(tmp_path)
  assert dict(result.scores[['submission', 'score']].to_numpy()) == {
    'a': 0.0,
    'b': 1.0,
  }
  assert list(result.warnings['kind']).count('disqualified trial') == 9
  with pytest.raises(spec.UsageError, match='9 × disqualified trial'):
    scored(tmp_path, strict=True)


def test_strict_names_each_kind_and_the_first(tmp_path: pathlib.Path):
  write_competition(tmp_path, a={'status': 'timed_out'}, b={})
  log = tmp_path / 'b/study_2/mnist_resnet_jax/trial_1/eval_measurements.csv'
  log.write_text('')
  (tmp_path / 'b/study_3/mnist_resnet_jax').rename(tmp_path / 'gone')
  with pytest.raises(spec.UsageError) as error:
    scored(tmp_path, strict=True)
  message = str(error.value)
  for text in (
    '9 × failed trial (first: ',
    f'1 × damaged log (first: {log}',
    '1 × missing study (first: b mnist_resnet study 3',
  ):
    assert text in message
  assert scored(tmp_path).scores['submission'].tolist() == ['a', 'b']


def test_a_target_reached_over_the_budget_counts_and_is_said(
  tmp_path: pathlib.Path,
):
  logs_on_disk.write_trial(
    tmp_path,
    workload='mnist_resnet',
    metric='accuracy',
    evaluations=[(149.0, 0.1), (151.0, 0.99)],
  )
  result = scored(tmp_path, workloads=['mnist_resnet'])
  assert result.times.loc['sgd', 'mnist_resnet'] == 151.0
  assert 'reached late' in set(result.warnings['kind'])
  assert result.cells['over_budget'].tolist() == [1]


def test_what_a_median_rests_on(tmp_path: pathlib.Path):
  def write(study: int, trial: int, *evaluations: tuple[float, float]) -> None:
    logs_on_disk.write_trial(
      tmp_path,
      workload='mnist_resnet',
      metric='accuracy',
      study=study,
      trial=trial,
      evaluations=evaluations,
    )

  write(1, 1, (10, 0.1), (20, 0.99))
  write(1, 2, (10, 0.1), (30, 0.99))
  write(2, 1, (15, 0.1), (25, float('nan')))
  write(2, 2, (5, 0.1), (40, 0.99))
  write(3, 1, (35, 0.1), (50, 0.99), (60, 0.99))
  write(3, 2)
  root = tmp_path / 'sgd'
  (root / 'study_1/mnist_resnet_jax/trial_1/hparams.json').write_text(
    '{"learning_rate": 0.1}'
  )
  result = scoring.score(tmp_path, 'mini', workloads=['mnist_resnet'])
  assert result.cells.to_dict('records') == [
    {
      'submission': 'sgd',
      'workload': 'mnist_resnet',
      'value': 40.0,
      'low': 20.0,  # Of three studies any can be the median of a resample.
      'high': 50.0,
      'ratio': 1.0,
      'ratio_low': 1.0,
      'ratio_high': 1.0,
      'last_miss': 10.0,  # The median of 10, 5 and 35.
      'studies': 3,
      'trials': 6,
      'reached': 4,
      'missed': 1,
      'damaged': 1,
      'missing': 9,  # Five trials a study are due.
      'diverged': 1,
      'failed': 0,
      'over_budget': 0,
      'counts': True,
    }
  ]
  assert result.studies['hyperparameters'].tolist() == [
    '{"learning_rate": 0.1}',
    '',
    '',
  ]


def test_among_a_published_board(tmp_path: pathlib.Path):
  # Faster than anybody on one workload, with a name that the board has too.
  for study in range(1, 6):
    logs_on_disk.write_trial(
      tmp_path,
      submission='baseline',
      workload='ogbg',
      study=study,
      metric='mean_average_precision',
      evaluations=[(100.0, 0.1), (200.0, 0.3)],
    )
  result = scoring.score(
    tmp_path, 'algoperf-0.5', among='algoperf-0.5', workloads=['ogbg']
  )
  assert len(result.scores) == 12
  assert 'baseline (published)' in set(result.scores['submission'])
  board = published.load('algoperf-0.5', 'external').studies
  board = rows.frame(studies.Study, board)
  theirs = board[board['workload'] == 'ogbg'].groupby('submission')['time']
  found = result.times['ogbg'].drop('baseline')
  found = found.rename({'baseline (published)': 'baseline'})
  assert found.to_dict() == theirs.median().to_dict()
  assert result.times.loc['baseline', 'ogbg'] == 200.0
  loud = sentences.loud(result)
  assert len(loud) == 1
  assert 'V100' in loud[0]
  assert 'unknown' in loud[0]
  for options in ({'as_published': True}, {'by': 'steps'}):
    with pytest.raises(spec.UsageError, match='cannot go with --'):
      scoring.score(tmp_path, 'algoperf-0.5', among='algoperf-0.5', **options)
  with pytest.raises(spec.UsageError, match='no trials of mnist_resnet'):
    scoring.score(tmp_path, 'mini', among='algoperf-0.5')
  with pytest.raises(spec.UsageError, match='no published board'):
    scoring.score(
      tmp_path, 'algoperf-0.5', ruleset='self', among='algoperf-0.5'
    )


def test_a_board_knows_its_machines():
  board = published.load('algoperf-0.5', 'external')
  assert board.ran_on('8 × Tesla V100-SXM2-16GB')
  for machine in (
    '4 × Tesla V100-SXM2-16GB',
    '8 × NVIDIA A100-SXM4-40GB',
    '8 × Tesla V100-SXM2-32GB',
    'cpu: Intel Xeon, 8 cores',
    '',
  ):
    assert not board.ran_on(machine)
