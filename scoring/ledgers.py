"""What the ledgers of experiments say against the logs that are there.

A ledger (`algoperf.ledger`) tells every trial that was started and how it
ended. Logs that never had one, such as AlgoPerf's, are not blamed for that.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
import dataclasses
import hashlib
import json
import re
from typing import Any

from algoperf import ledger, records
from scoring import layout, notices

# Files that scores come from.
_CHECKED = (layout.LOG, records.TRIAL_FILE, 'hparams.json')
_LEDGER = re.compile(r'ledger.*\.jsonl')
_Place = tuple[str, int, int]  # Workload, study, trial.


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Recorded:
  """A trial as one ledger has it.

  Attributes:
    submission: whose it is.
    path: of the ledger.
    attempts: every time that it was started; not empty.
  """

  submission: str
  path: str
  attempts: list[ledger.Attempt]

  @property
  def last(self) -> ledger.Attempt:
    return self.attempts[-1]

  @property
  def files(self) -> Mapping[str, Any]:
    """SHA-256 of the trial's files at its end; {} if that is not known."""
    return {} if self.last.ended is None else self.last.ended.content['files']

  def notice(self, kind: str, message: str) -> notices.Notice:
    """A notice about the line that started the trial last."""
    workload, study, trial = self.last.place
    return notices.Notice(
      kind=kind,
      message=message,
      submission=self.submission,
      workload=workload,
      study=study,
      trial=trial,
      path=self.path,
      line=self.last.started.number,
    )


def check(
  experiments: layout.Experiments, workloads: Container[str]
) -> list[notices.Notice]:
  """What ledgers and logs do not agree in.

  Args:
    experiments: what there is of them.
    workloads: those that are scored; trials of others are left out.
  """
  found: list[notices.Notice] = []
  missing: list[_Recorded] = []
  unrecorded: list[layout.Trial] = []
  for path, trials in experiments.trials.items():
    there = experiments.beside[path]
    names = sorted(filter(_LEDGER.fullmatch, there))
    recorded: list[_Recorded] = []
    for name in names:
      chain = ledger.parse(_content(path, there, name))
      found += _faults(path, there, name, chain)
      recorded += _trials(path, name, chain, workloads)
    if names:
      found += _changed(path, recorded)
      trials = [trial for trial in trials if trial.workload in workloads]
      pairs, gone, unknown = _matched(recorded, trials)
      for one, trial in pairs:
        found += _differences(one, trial)
      missing += gone
      unrecorded += unknown
  return found + _lost(missing, unrecorded)


def absent(
  experiments: layout.Experiments, trials: Mapping[str, Sequence[str]]
) -> Iterator[notices.Notice]:
  """Notices of experiments that had a ledger which is not there.

  Args:
    experiments: what there is of them.
    trials: columns `path` and `ledger`, the mark that trial.json bears; '' if
      it bears none.
  """
  with_ledger = {
    path
    for path, there in experiments.beside.items()
    if any(map(_LEDGER.fullmatch, there))
  }
  had_one = {
    path.rsplit('/', 3)[0]
    for path, mark in zip(trials['path'], trials['ledger'], strict=True)
    if mark
  }
  had_one |= {
    path for path, there in experiments.beside.items() if _anchor(path, there)
  }
  for path in sorted(had_one - with_ledger):
    yield notices.Notice(
      kind='no ledger',
      submission=_submission(path),
      path=path,
      message=f'its trials were recorded in a {ledger.FILE} that is not among '
      'these logs; give the whole experiment',
    )


def _submission(experiment: str) -> str:
  return layout.plain_name(experiment.rpartition('/')[2])


def _content(path: str, there: Mapping[str, bytes | None], name: str) -> bytes:
  """A file beside the studies; empty if it cannot be read."""
  content = there[name]
  try:
    return layout.content(path, None, name) if content is None else content
  except OSError:
    return b''


def _anchor(
  path: str, there: Mapping[str, bytes | None]
) -> tuple[int, str] | None:
  """How many lines experiment.json says there were, and the last's SHA-256."""
  if records.EXPERIMENT_FILE not in there:
    return None
  try:
    found = json.loads(_content(path, there, records.EXPERIMENT_FILE))
    count, digest = found['ledger']['lines'], found['ledger']['sha256']
  except (ValueError, LookupError, TypeError, RecursionError):
    return None
  valid = isinstance(count, int) and count > 0 and isinstance(digest, str)
  return (count, digest) if valid else None


def _faults(
  path: str, there: Mapping[str, bytes | None], name: str, chain: ledger.Chain
) -> Iterator[notices.Notice]:
  """What is wrong with the chain itself."""

  def notice(kind: str, message: str, line: int | None) -> notices.Notice:
    return notices.Notice(
      kind=kind,
      message=message,
      submission=_submission(path),
      path=f'{path}/{name}',
      line=line,
    )

  for fault in chain.faults:
    kind = 'torn ledger line' if fault.torn else 'broken ledger'
    yield notice(kind, fault.message, fault.line)
  if name != ledger.FILE:
    return  # Merged in; experiment.json tells nothing of it.
  count, digest = _anchor(path, there) or (0, '')
  length = len(chain.lines)
  if not count:
    message = f'{records.EXPERIMENT_FILE} does not tell how long it was'
    yield notice('shortened ledger', message, None)
  elif count > length:
    message = f'it had {count} lines or more, and has {length}'
    yield notice('shortened ledger', message, None)
  elif chain.lines[count - 1].digest != digest:
    message = f'it is not what {records.EXPERIMENT_FILE} has seen'
    yield notice('broken ledger', message, count)


def _trials(
  path: str, name: str, chain: ledger.Chain, workloads: Container[str]
) -> list[_Recorded]:
  """The trials that a ledger tells of."""
  attempts: dict[_Place, list[ledger.Attempt]] = {}
  for attempt in chain.attempts():
    if attempt.place[0] in workloads:
      attempts.setdefault(attempt.place, []).append(attempt)
  return [
    _Recorded(
      submission=_submission(path), path=f'{path}/{name}', attempts=some
    )
    for some in attempts.values()
  ]


def _changed(
  path: str, recorded: Sequence[_Recorded]
) -> Iterator[notices.Notice]:
  """What the attempts say, whatever became of the logs."""
  sources: dict[object, _Recorded] = {}
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
      submission=_submission(path),
      path=path,
      message=f'its trials were run with {len(sources)} versions of it: '
      f'digests {shown}',
    )


def _matched(
  recorded: Iterable[_Recorded], trials: Iterable[layout.Trial]
) -> tuple[
  list[tuple[_Recorded, layout.Trial]], list[_Recorded], list[layout.Trial]
]:
  """Pairs of what is recorded and what lies at its place; what is left."""
  waiting: dict[_Place, list[_Recorded]] = {}
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
  one: _Recorded, trial: layout.Trial
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
  missing: Iterable[_Recorded], unrecorded: Iterable[layout.Trial]
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


def _digest(trial: layout.Trial, name: str) -> str | None:
  """SHA-256 of a file, None if there is none to be read."""
  try:
    return hashlib.sha256(trial.read(name)).hexdigest()
  except OSError:
    return None


def _mark(trial: layout.Trial) -> object:
  """Which line of a ledger started a trial, as trial.json has it."""
  try:
    return json.loads(trial.read(records.TRIAL_FILE)).get('ledger')
  except (OSError, ValueError, AttributeError, RecursionError):
    return None
