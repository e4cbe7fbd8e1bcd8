"""What is missing from logs, or should not be there.

Most of it is a notice, which `--strict` refuses. Comparisons that cannot mean
anything are refused at once, unless they are allowed by name.
"""

import collections
from collections.abc import Container, Iterable, Mapping, Sequence
import math

from algoperf import benchmark as benchmark_lib
from algoperf import spec
from scoring import boards, logs, notices, question, studies, times

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
  'beaten trials',
)


def one_comparison(
  records: Iterable[logs.Record], allow: Container[str]
) -> None:
  """Refuses to compare what was run differently.

  Args:
    records: of the trials.
    allow: what may be mixed, of `question.MIXABLE`.

  Raises:
    UsageError: more than one kind of machine, or benchmark definition.
  """
  columns = ('hardware', 'benchmark_digest')
  for what, column in zip(question.MIXABLE, columns, strict=True):
    first: dict[str, logs.Record] = {}
    for record in records:
      first.setdefault(getattr(record, column), record)
    first.pop('', None)
    if len(first) < 2 or what in allow:
      continue
    examples = '; '.join(
      f'{_shown(what, record)} (as {record.where.path})'
      for record in first.values()
    )
    raise spec.UsageError(
      f'trials with different {what} cannot be compared: {examples}. '
      f'Score them apart, or add --allow={what}'
    )


def mixed(
  records: Iterable[logs.Record], benchmark: benchmark_lib.Benchmark
) -> list[notices.Notice]:
  """What may be compared, but should be known."""
  found = []
  machines = collections.Counter(record.hardware for record in records)
  unknown = machines.pop('', 0)
  if len(machines) > 1:
    found.append(
      notices.Notice(
        kind='other hardware',
        message=f'trials of {len(machines)} kinds of machines are compared: '
        f'{"; ".join(sorted(machines))}',
      )
    )
  elif machines and unknown:
    message = f'{unknown} trials do not say on which hardware they ran'
    found.append(notices.Notice(kind='no hardware', message=message))
  others: dict[str, list[logs.Record]] = {}
  for record in records:
    if record.benchmark_digest not in ('', benchmark.digest):
      others.setdefault(record.benchmark_digest, []).append(record)
  for some in others.values():
    found.append(
      notices.Notice(
        kind='other definition',
        message=f'{len(some)} trials were run by '
        f'{_shown("definitions", some[0])}, and are scored by '
        f'{benchmark.name}, digest {benchmark.digest[:8]}',
        path=some[0].where.path,
      )
    )
  return found


def _shown(what: str, record: logs.Record) -> str:
  if what == 'hardware':
    return record.hardware
  return f'{record.benchmark}, digest {record.benchmark_digest[:8]}'


def among(board: boards.Board, machines: Iterable[str]) -> list[notices.Notice]:
  """What to know of a comparison with a published board.

  Args:
    board: the board.
    machines: that the trials which are ranked among it ran on.
  """
  text = (
    f'{board.hardware} for the published board {board.benchmark}, {{}} for '
    'these logs: times of different machines cannot be compared'
  )
  return [
    notices.Notice(
      kind='other hardware', message=text.format(machine or 'unknown')
    )
    for machine in sorted(set(machines))
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


def endings(trials: Iterable[times.Trial]) -> list[notices.Notice]:
  """Trials that ended otherwise than the rules foresee."""
  disqualified, failed, late = [], [], []
  for trial in trials:
    if trial.record.ended == 'disqualified':
      message = 'broke a rule (trial.json says which): counts as not reached'
      disqualified.append(trial.where.notice('disqualified trial', message))
    elif trial.failed:
      message = f'ended as {trial.record.ended!r}'
      failed.append(trial.where.notice('failed trial', message))
    if trial.over_budget and trial.time == trial.end_time:
      message = (
        f'the target was reached after {trial.time:.0f} s, over the budget; '
        'counted'
      )
      late.append(trial.where.notice('reached late', message))
  return disqualified + failed + late


def beaten(
  trials: Sequence[times.Trial], asked: question.Question
) -> list[notices.Notice]:
  """Trials that ended because another one of their study had been faster.

  Raises:
    UsageError: what counts is not the least time, so that they might.
  """
  ended = [trial for trial in trials if trial.record.ended == 'beaten']
  if not ended:
    return []
  what = f'{len(ended)} of {len(trials)} trials ended when they were beaten'
  if (asked.by, asked.rules.study) != ('time', 'least_time'):
    raise spec.UsageError(
      f'{what} by another of their study (such as {ended[0].where.path}), and '
      'may have had fewer steps or evaluations left than it: score these logs '
      'by time, and not as published'
    )
  message = f'{what} (--stop_when_beaten); no time or score is another for it'
  told = [notices.Notice(kind='beaten trials', message=message)]
  least: dict[studies.Key, float] = {}
  for trial in trials:
    key = trial.where.key[:3]
    least[key] = min(trial.time, least.get(key, math.inf))
  for trial in ended:
    if not least[trial.where.key[:3]] <= trial.record.beaten_at * (1 + 1e-9):
      message = (
        f'ended at {trial.record.beaten_at:.1f} s, but no trial of its study '
        'has reached the target by then: the study might have taken less'
      )
      told.append(trial.where.notice('beaten by none', message))
  return told


def counts(
  found: Sequence[studies.Study], rules: benchmark_lib.Ruleset
) -> list[notices.Notice]:
  """Workloads, studies and trials that are missing, or too many.

  Args:
    found: the studies, missing ones included.
    rules: how many studies and trials there should be.
  """
  trials = collections.Counter()
  for study in found:
    trials[study.submission, study.workload] += study.trials
  submissions = sorted({study.submission for study in found})
  workloads = sorted({study.workload for study in found})
  nowhere = [
    workload
    for workload in workloads
    if not any(trials[submission, workload] for submission in submissions)
  ]
  told = [
    notices.Notice(
      kind='no trials at all',
      workload=workload,
      message='no submission has any: counts as not reached by all of them '
      '(--workloads scores without it)',
    )
    for workload in nowhere
  ]
  for submission in submissions:
    number = len({s.study for s in found if s.submission == submission})
    if number != rules.studies:
      kind = 'missing studies' if number < rules.studies else 'extra studies'
      message = f'{number} instead of {rules.studies}'
      told.append(
        notices.Notice(kind=kind, submission=submission, message=message)
      )
  told += [
    notices.Notice(
      kind='missing workload',
      submission=submission,
      workload=workload,
      message='no trials: counts as not reached',
    )
    for submission in submissions
    for workload in workloads
    if workload not in nowhere and not trials[submission, workload]
  ]
  return told + [
    _odd_study(study, rules)
    for study in found
    if study.trials != rules.trials
    if trials[study.submission, study.workload]
  ]


def _odd_study(
  study: studies.Study, rules: benchmark_lib.Ruleset
) -> notices.Notice:
  """A notice of a study with too few or too many trials."""
  if not study.trials:
    kind, message = 'missing study', 'no trials: counts as not reached'
  else:
    fewer = study.trials < rules.trials
    kind = 'missing trials' if fewer else 'extra trials'
    message = f'{study.trials} instead of {rules.trials}'
  return notices.Notice(
    kind=kind,
    submission=study.submission,
    workload=study.workload,
    study=study.study,
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
