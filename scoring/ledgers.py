"""What the ledgers of experiments say against the logs that are there.

A ledger (`algoperf.ledger`) tells every trial that was started and how it
ended. Logs that never had one, such as AlgoPerf's, are not blamed for that.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
import hashlib
import json

from algoperf import ledger, records
from scoring import chains, layout, logs, notices, trial_files

# Files that scores come from.
_CHECKED = (layout.LOG, records.TRIAL_FILE, 'hparams.json')


def check(
  experiments: layout.Experiments, workloads: Container[str]
) -> list[notices.Notice]:
  """What ledgers and logs do not agree in.

  Args:
    experiments: what there is of them.
    workloads: those that are scored; trials of others are left out.
  """
  found: list[notices.Notice] = []
  missing: list[chains.Recorded] = []
  unrecorded: list[trial_files.Trial] = []
  for path, trials in experiments.trials.items():
    there = experiments.beside[path]
    names = sorted(filter(chains.LEDGER.fullmatch, there))
    recorded: list[chains.Recorded] = []
    for name in names:
      chain = ledger.parse(chains.content(path, there, name))
      found += chains.faults(path, there, name, chain)
      recorded += chains.trials(path, name, chain, workloads)
    if names:
      found += _changed(path, recorded)
      trials = [trial for trial in trials if trial.workload in workloads]
      pairs, gone, unknown = _matched(recorded, trials)
      for one, trial in pairs:
        found += _differences(one, trial)
      missing += gone
      unrecorded += unknown
  return [*found, *_lost(missing, unrecorded)]


def absent(
  experiments: layout.Experiments, found: Iterable[logs.Record]
) -> Iterator[notices.Notice]:
  """Notices of experiments that had a ledger which is not there.

  Args:
    experiments: what there is of them.
    found: what trials say, the mark of their ledger included.
  """
  with_ledger = {
    path
    for path, there in experiments.beside.items()
    if any(map(chains.LEDGER.fullmatch, there))
  }
  had_one = {record.where.experiment for record in found if record.ledger}
  had_one |= {
    path
    for path, there in experiments.beside.items()
    if ledger.anchor(chains.experiment(path, there))
  }
  for path in sorted(had_one - with_ledger):
    yield notices.Notice(
      kind='no ledger',
      submission=chains.submission(path),
      path=path,
      message=f'its trials were recorded in a {ledger.FILE} that is not among '
      'these logs; give the whole experiment',
    )


def _changed(
  path: str, recorded: Sequence[chains.Recorded]
) -> Iterator[notices.Notice]:
  """What the attempts say, whatever became of the logs."""
  sources: dict[object, chains.Recorded] = {}
  for one in recorded:
    digest = one.last.started.content.get('submission_digest')
    sources.setdefault(str(digest), one)
    before = [attempt.status for attempt in one.attempts[:-1]]
    known = [s for s in before if s not in (None, *records.UNFINISHED)]
    if known:
      message = f'started again after it had ended as {known[-1]!a}'
      yield one.notice('repeated trial', message)
    elif before:
      message = f'started {len(one.attempts)} times: it had not ended before'
      yield one.notice('started again', message)
  if len(sources) > 1:
    shown = ', '.join(f'{digest[:8]!a}' for digest in sources)
    yield notices.Notice(
      kind='changed submission',
      submission=chains.submission(path),
      path=path,
      message=f'its trials were run with {len(sources)} versions of it: '
      f'digests {shown}',
    )


def _matched(
  recorded: Iterable[chains.Recorded], trials: Iterable[trial_files.Trial]
) -> tuple[
  list[tuple[chains.Recorded, trial_files.Trial]],
  list[chains.Recorded],
  list[trial_files.Trial],
]:
  """Pairs of what is recorded and what lies at its place; what is left."""
  waiting: dict[chains.Place, list[chains.Recorded]] = {}
  for one in recorded:
    waiting.setdefault(one.last.place, []).append(one)
  pairs, unrecorded = [], []
  for trial in trials:
    those = waiting.get((trial.workload, trial.study, trial.trial))
    if not those:
      unrecorded.append(trial)
      continue
    log = _digest(trial, layout.LOG)
    same = next((x for x in those if x.files.get(layout.LOG) == log), those[0])
    those.remove(same)
    pairs.append((same, trial))
  return pairs, [one for those in waiting.values() for one in those], unrecorded


def _differences(
  one: chains.Recorded, trial: trial_files.Trial
) -> Iterator[notices.Notice]:
  """What a trial's files say otherwise than its ledger."""
  if one.last.ended is None:
    message = f'{one.path} does not tell how it ended'
    yield trial.notice('no end recorded', message)
    return
  if one.last.ended.content['event'] == 'found':
    message = 'its runner did not live to record the end; a later one did'
    yield trial.notice('end not seen', message)
  where = f'what {one.path}:{one.last.ended.number} has'
  for name in _CHECKED:
    if _digest(trial, name) != one.files.get(name):
      kind = 'altered log' if name == layout.LOG else 'altered file'
      yield trial.notice(kind, f'another content than {where}', file=name)
    elif name == records.TRIAL_FILE and _mark(trial) not in (
      None,
      one.last.started.digest,
    ):
      message = f'it was recorded in another ledger than {one.path}'
      yield trial.notice('other ledger', message, file=name)


def _lost(
  missing: Iterable[chains.Recorded], unrecorded: Iterable[trial_files.Trial]
) -> Iterator[notices.Notice]:
  """Trials without logs, logs without a record, and those that moved."""
  missing = list(missing)
  for trial in unrecorded:
    log = _digest(trial, layout.LOG) if missing else None
    same = next(
      (one for one in missing if log and one.files.get(layout.LOG) == log), None
    )
    if same is None:
      yield trial.notice('unrecorded trial', 'no ledger tells of its start')
      continue
    missing.remove(same)
    workload, study, number = same.last.place
    yield trial.notice(
      'moved trial',
      f'{same.path}:{same.last.started.number} has it as trial {number} of '
      f'study {study} on {workload}',
    )
  for one in missing:
    how = 'its end is not recorded'
    if one.last.status is not None:
      how = f'it ended as {one.last.status!a}'
    message = f'it was started, {how}, and is not among the logs'
    yield one.notice('missing trial', message)


def _digest(trial: trial_files.Trial, name: str) -> str | None:
  """SHA-256 of a file, None if there is none to be read."""
  try:
    return hashlib.sha256(trial.read(name)).hexdigest()
  except OSError:
    return None


def _mark(trial: trial_files.Trial) -> object:
  """Which line of a ledger started a trial, as trial.json has it."""
  try:
    return json.loads(trial.read(records.TRIAL_FILE)).get('ledger')
  except (OSError, ValueError, AttributeError, RecursionError):
    return None
