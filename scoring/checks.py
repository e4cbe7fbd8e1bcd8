"""What is missing from logs, or should not be there: notices, never errors."""

from collections.abc import Container, Sequence

import pandas as pd

from algoperf import benchmark as benchmark_lib
from scoring import logs


def unscored(
  found: Sequence[logs.TrialDir], workloads: Container[str]
) -> list[logs.Notice]:
  """Workloads that there are trials of, but that are not scored."""
  others = {d.workload for d in found if d.workload not in workloads}
  return [
    logs.Notice(
      kind='not scored',
      workload=workload,
      message=f'{sum(d.workload == workload for d in found)} trials left out',
    )
    for workload in sorted(others)
  ]


def digests(
  found: Sequence[logs.TrialDir], benchmark: benchmark_lib.Benchmark
) -> list[logs.Notice]:
  """Trials that were run by another benchmark definition."""
  notices = []
  for directory in found:
    try:
      details = logs.read_details(directory.path)
    except logs.LogError:
      continue
    digest = details.get('benchmark_digest', benchmark.digest)
    if digest != benchmark.digest:
      message = (
        f'was run by another definition ({details.get("benchmark")}, digest '
        f'{str(digest)[:8]}) than it is scored by ({benchmark.name}, digest '
        f'{benchmark.digest[:8]})'
      )
      notices.append(logs.Notice.about(directory, 'other benchmark', message))
  return notices


def counts(
  studies: pd.DataFrame, rules: benchmark_lib.Ruleset
) -> list[logs.Notice]:
  """Workloads, studies and trials that are missing, or too many.

  Args:
    studies: as `times.of_studies` gives them: with rows for missing studies.
    rules: how many studies and trials there should be.
  """
  notices = []
  for submission, rows in studies.groupby('submission'):
    there = rows['study'].nunique()
    if there != rules.studies:
      kind = 'missing studies' if there < rules.studies else 'extra studies'
      message = f'{there} instead of {rules.studies}'
      notices.append(
        logs.Notice(kind=kind, submission=submission, message=message)
      )
    for workload, group in rows.groupby('workload'):
      notices += _workload_counts(submission, workload, group, rules)
  return notices


def _workload_counts(
  submission: str,
  workload: str,
  studies: pd.DataFrame,
  rules: benchmark_lib.Ruleset,
) -> list[logs.Notice]:
  """Notices about the studies of one submission on one workload."""
  if not studies['trials'].any():
    return [
      logs.Notice(
        kind='missing workload',
        submission=submission,
        workload=workload,
        message='no trials: counts as not reached',
      )
    ]
  notices = []
  for row in studies[studies['trials'] != rules.trials].itertuples():
    if not row.trials:
      kind, message = 'missing study', 'no trials: counts as not reached'
    else:
      fewer = row.trials < rules.trials
      kind = 'missing trials' if fewer else 'extra trials'
      message = f'{row.trials} instead of {rules.trials}'
    notices.append(
      logs.Notice(
        kind=kind,
        submission=submission,
        workload=workload,
        study=row.study,
        message=message,
      )
    )
  return notices
