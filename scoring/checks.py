"""What is missing from logs, or should not be there.

Most of it is a notice, which `--strict` refuses. Comparisons that cannot mean
anything are refused at once, unless they are allowed by name.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Any

import pandas as pd

from algoperf import benchmark as benchmark_lib
from algoperf import spec
from scoring import notices, published, question

# Notices that do not say that a rule was broken.
_HARMLESS = (
  'not scored',
  'not a finite metric',
  'other definition',
  'other hardware',
  'no hardware',
  'started again',
  'torn ledger line',
  'uneven machines',
)


def one_comparison(trials: pd.DataFrame, allow: Container[str]) -> None:
  """Refuses to compare what was run differently.

  Args:
    trials: with hardware and benchmark_digest, '' where unknown.
    allow: what may be mixed, of `question.MIXABLE`.

  Raises:
    UsageError: more than one kind of machine, or benchmark definition.
  """
  columns = ('hardware', 'benchmark_digest')
  for what, column in zip(question.MIXABLE, columns, strict=True):
    known = trials[trials[column] != '']
    if known[column].nunique() < 2 or what in allow:
      continue
    examples = '; '.join(
      f'{_shown(what, row)} (as {row.path})'
      for row in known.drop_duplicates(column).itertuples()
    )
    raise spec.UsageError(
      f'trials with different {what} cannot be compared: {examples}. '
      f'Score them apart, or add --allow={what}'
    )


def mixed(
  trials: pd.DataFrame, benchmark: benchmark_lib.Benchmark
) -> list[notices.Notice]:
  """What may be compared, but should be known."""
  found = []
  machines = sorted(set(trials['hardware']) - {''})
  if len(machines) > 1:
    found.append(
      notices.Notice(
        kind='other hardware',
        message=f'trials of {len(machines)} kinds of machines are compared: '
        f'{"; ".join(machines)}',
      )
    )
  elif machines and (trials['hardware'] == '').any():
    count = (trials['hardware'] == '').sum()
    message = f'{count} trials do not say on which hardware they ran'
    found.append(notices.Notice(kind='no hardware', message=message))
  others = trials[~trials['benchmark_digest'].isin(['', benchmark.digest])]
  for row in others.drop_duplicates('benchmark_digest').itertuples():
    count = (others['benchmark_digest'] == row.benchmark_digest).sum()
    found.append(
      notices.Notice(
        kind='other definition',
        message=f'{count} trials were run by {_shown("definitions", row)}, '
        f'and are scored by {benchmark.name}, digest {benchmark.digest[:8]}',
        path=row.path,
      )
    )
  return found


def _shown(what: str, row: Any) -> str:
  if what == 'hardware':
    return row.hardware
  return f'{row.benchmark}, digest {row.benchmark_digest[:8]}'


def among(
  board: published.Board, hardware: pd.DataFrame
) -> list[notices.Notice]:
  """What to know of a comparison with a published board.

  Args:
    board: the board.
    hardware: of the trials that are ranked among it, with a column hardware.
  """
  text = (
    f'{board.hardware} for the published board {board.benchmark}, {{}} for '
    'these logs: times of different machines cannot be compared'
  )
  return [
    notices.Notice(
      kind='other hardware', message=text.format(machine or 'unknown')
    )
    for machine in sorted(hardware['hardware'].unique())
    if not board.ran_on(machine)
  ]


def unscored(
  others: Mapping[str, int], benchmark: benchmark_lib.Benchmark
) -> list[notices.Notice]:
  """Workloads that there are so many trials of, but that are not scored."""
  without_target = {
    row.name
    for row in benchmark.workloads
    if row.goal.validation_target is None
  }
  return [
    notices.Notice(
      kind='not scored',
      workload=name,
      message=f'{number} trials left out'
      + (', as no target is set yet' if name in without_target else ''),
    )
    for name, number in others.items()
  ]


def endings(trials: pd.DataFrame) -> list[notices.Notice]:
  """Trials that ended otherwise than the rules foresee."""
  disqualified = trials['ended'] == 'disqualified'
  late = trials['over_budget'] & (trials['time'] == trials['end_time'])
  cases = (
    (
      'disqualified trial',
      disqualified,
      'broke a rule (trial.json says which): counts as not reached',
    ),
    (
      'failed trial',
      trials['failed'] & ~disqualified,
      'ended as {row.ended!r}',
    ),
    (
      'reached late',
      late,
      'the target was reached after {row.time:.0f} s, over the budget; counted',
    ),
  )
  return [
    notices.Notice(
      kind=kind,
      message=message.format(row=row),
      submission=row.submission,
      workload=row.workload,
      study=row.study,
      trial=row.trial,
      path=row.path,
    )
    for kind, which, message in cases
    for row in trials[which].itertuples()
  ]


def counts(
  studies: pd.DataFrame, rules: benchmark_lib.Ruleset
) -> list[notices.Notice]:
  """Workloads, studies and trials that are missing, or too many.

  Args:
    studies: as `times.Grouping.studies` gives them, missing ones included.
    rules: how many studies and trials there should be.
  """
  found = []
  cells = studies.groupby(['submission', 'workload'], observed=True)['trials']
  trials = cells.sum().unstack('workload')
  nowhere = trials.columns[(trials == 0).all()]
  for workload in nowhere:
    message = (
      'no submission has any: counts as not reached by all of them '
      '(--workloads scores without it)'
    )
    found.append(
      notices.Notice(
        kind='no trials at all', workload=workload, message=message
      )
    )
  there = studies.groupby('submission', observed=True)['study'].nunique()
  for submission, number in there[there != rules.studies].items():
    kind = 'missing studies' if number < rules.studies else 'extra studies'
    message = f'{number} instead of {rules.studies}'
    found.append(
      notices.Notice(kind=kind, submission=submission, message=message)
    )
  cells = trials.drop(columns=nowhere).stack()
  for submission, workload in cells[cells == 0].index:
    found.append(
      notices.Notice(
        kind='missing workload',
        submission=submission,
        workload=workload,
        message='no trials: counts as not reached',
      )
    )
  known = cells[cells > 0].index
  odd = studies[studies['trials'] != rules.trials]
  odd = odd[pd.MultiIndex.from_frame(odd[known.names]).isin(known)]
  return found + [_odd_study(row, rules) for row in odd.itertuples()]


def _odd_study(row: Any, rules: benchmark_lib.Ruleset) -> notices.Notice:
  """A notice of a study with too few or too many trials."""
  if not row.trials:
    kind, message = 'missing study', 'no trials: counts as not reached'
  else:
    fewer = row.trials < rules.trials
    kind = 'missing trials' if fewer else 'extra trials'
    message = f'{row.trials} instead of {rules.trials}'
  return notices.Notice(
    kind=kind,
    submission=row.submission,
    workload=row.workload,
    study=row.study,
    message=message,
  )


def strictly(found: Iterable[notices.Notice]) -> None:
  """Refuses logs that depart from the rules at all.

  Raises:
    UsageError: names each kind of departure, how often, and the first.
  """
  first, number = {}, {}
  for notice in found:
    if notice.kind not in _HARMLESS:
      first.setdefault(notice.kind, notice)
      number[notice.kind] = number.get(notice.kind, 0) + 1
  if first:
    parts = [
      f'{number[kind]} × {kind} (first: {notice.place}: {notice.message})'
      for kind, notice in first.items()
    ]
    raise spec.UsageError(
      f'--strict refuses these logs: {"; ".join(parts)}. '
      'Without --strict they are scored, and this is listed'
    )
