"""Logs of trials, read fast where they are regular, carefully where not.

What counts of a log, and what is damage, is said in `damage`. Regular logs are
parsed many at once, to the same numbers that `damage.read` finds.

T: trials, N: evaluations of all trials one after the other, R: evaluations of
one trial or some, C: the columns that are read, as in `damage.columns`.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
import dataclasses
import math
import operator
from typing import Any

import numpy as np

from algoperf import records
from scoring import (
  bulk,
  damage,
  layout,
  machines,
  notices,
  trial_files,
  verifications,
)

_META_DATA = 'meta_data_0.json'
_NO_ROWS_CxR = np.empty((len(damage.columns('')), 0))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Record:
  """What the files of one trial say, beside its evaluations.

  Attributes:
    where: it lies, and whose it is.
    log: 'missing', 'damaged' (no row of it counts) or ''.
    evaluations: how many count.
    ended: the status in trial.json; '' if unknown, as all that follows.
    hardware: a short text.
    benchmark: the name of the definition that it was run by.
    benchmark_digest: of that definition.
    ledger: which line of a ledger started it.
    calibration: as trial.json has it, whatever that is.
    beaten_at: when it was to end because another trial had been faster, in
      seconds; NaN if it was not.
    verification: what `algoperf verify` found; see `verifications.state`.
  """

  where: trial_files.Trial
  log: str = ''
  evaluations: int = 0
  ended: str = ''
  hardware: str = ''
  benchmark: str = ''
  benchmark_digest: str = ''
  ledger: str = ''
  calibration: Any = None
  beaten_at: float = math.nan
  verification: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Logs:
  """What the logs of some trials say.

  Attributes:
    records: one a trial, ordered by submission, workload, study, trial, path.
    starts_T1: the evaluations of trial t are starts_T1[t]:starts_T1[t + 1].
    time_N: submission time in seconds, never decreasing within a trial.
    step_N: updates done, likewise.
    train_N: the metric on a fixed slice of training data; NaN if not there.
    validation_N: on validation data, which may be NaN or infinite.
    test_N: on test data; NaN if not there.
    notices: of all that is damaged or missing.
  """

  records: Sequence[Record]
  starts_T1: np.ndarray
  time_N: np.ndarray
  step_N: np.ndarray
  train_N: np.ndarray
  validation_N: np.ndarray
  test_N: np.ndarray
  notices: list[notices.Notice]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Log:
  """What counts of one log, and what was found in it.

  Attributes:
    values_CxR: of its evaluations.
    lines: where they stand; None: below the header, one after the other.
    status: as `Record.log`.
    findings: what is wrong.
  """

  values_CxR: np.ndarray
  lines: Sequence[int] | None = None
  status: str = ''
  findings: Sequence[damage.Finding] = ()


def read(
  trials: Sequence[trial_files.Trial], metrics: Mapping[str, str]
) -> Logs:
  """Reads the logs of trials.

  Args:
    trials: as `layout.find` gives them.
    metrics: workload → the metric that counts. Trials of others are left out.
  """
  known = sorted(
    (trial for trial in trials if trial.workload in metrics),
    key=operator.attrgetter('submission', 'workload', 'study', 'trial', 'path'),
  )
  logs_T = _in_order(known, metrics)
  lengths_T = [log.values_CxR.shape[1] for log in logs_T]
  starts_T1 = np.concatenate(([0], np.cumsum(lengths_T, dtype=np.int64)))
  time_N, step_N, validation_N, train_N, test_N = np.concatenate(
    [_NO_ROWS_CxR, *(log.values_CxR for log in logs_T)], axis=1
  )
  noticed = [
    trial.notice(found.kind, found.message, file=layout.LOG, line=found.line)
    for trial, log in zip(known, logs_T, strict=True)
    for found in log.findings
  ]
  noticed += _not_finite(known, logs_T, starts_T1, validation_N)
  found = [
    _record(trial, log, noticed)
    for trial, log in zip(known, logs_T, strict=True)
  ]
  return Logs(
    records=found,
    starts_T1=starts_T1,
    time_N=time_N,
    step_N=step_N,
    train_N=train_N,
    validation_N=validation_N,
    test_N=test_N,
    notices=noticed,
  )


def _in_order(
  trials: Sequence[trial_files.Trial], metrics: Mapping[str, str]
) -> list[_Log]:
  """The logs of trials, read one workload after the other."""
  by_workload: dict[str, list[trial_files.Trial]] = {}
  for trial in trials:
    by_workload.setdefault(trial.workload, []).append(trial)
  # While the files of a workload are read, those of the one before are parsed.
  with futures.ThreadPoolExecutor(1) as parser:
    parsed = parser.map(
      _parsed,
      map(_contents, by_workload.values()),
      [metrics[workload] for workload in by_workload],
    )
    logs = dict(zip(by_workload, map(iter, parsed), strict=True))
  return [next(logs[trial.workload]) for trial in trials]


def _contents(trials: Sequence[trial_files.Trial]) -> list[bytes | OSError]:
  """The logs of trials as they are, or why they cannot be read."""
  contents: list[bytes | OSError] = []
  for trial in trials:
    try:
      contents.append(trial.read(layout.LOG))
    except OSError as error:
      contents.append(error)
  return contents


def _parsed(contents: Sequence[bytes | OSError], metric: str) -> list[_Log]:
  """What counts of logs that have the same metric, in their order."""
  there = [content for content in contents if isinstance(content, bytes)]
  values = iter(bulk.read(there, metric))
  return [
    _unreadable(content)
    if isinstance(content, OSError)
    else _log(content, next(values), metric)
    for content in contents
  ]


def _log(content: bytes, values_CxR: np.ndarray | None, metric: str) -> _Log:
  """One log, of which only the careful reader makes sense if no values."""
  if values_CxR is not None:
    return _Log(values_CxR=values_CxR)
  rows, findings = damage.read(content, metric)
  values_RxC = np.array(list(rows.values())).reshape(-1, len(_NO_ROWS_CxR))
  return _Log(
    values_CxR=values_RxC.T,
    lines=list(rows),
    status='' if rows else 'damaged',
    findings=findings,
  )


def _unreadable(error: OSError) -> _Log:
  if isinstance(error, FileNotFoundError):
    kind, status = 'missing log', 'missing'
    message = f'there is no {layout.LOG}'
  else:
    kind, status = 'damaged log', 'damaged'
    message = f'it cannot be read: {error.strerror}'
  finding = damage.Finding(kind=kind, message=message)
  return _Log(values_CxR=_NO_ROWS_CxR, status=status, findings=[finding])


def _not_finite(
  trials: Sequence[trial_files.Trial],
  logs_T: Sequence[_Log],
  starts_T1: np.ndarray,
  validation_N: np.ndarray,
) -> Iterator[notices.Notice]:
  """Notices of metrics that are not finite, one a trial."""
  rows = np.flatnonzero(~np.isfinite(validation_N))
  owners = np.searchsorted(starts_T1, rows, side='right') - 1
  rows_of: dict[int, list[int]] = {}
  for place, row in zip(owners.tolist(), rows.tolist(), strict=True):
    rows_of.setdefault(place, []).append(row - int(starts_T1[place]))
  for place, some in rows_of.items():
    trial, log, row = trials[place], logs_T[place], some[0]
    yield trial.notice(
      'not a finite metric',
      f'{len(some)} of {log.values_CxR.shape[1]} validation values; '
      'they meet no target',
      file=layout.LOG,
      line=row + 2 if log.lines is None else log.lines[row],
    )


def _record(
  trial: trial_files.Trial, log: _Log, noticed: list[notices.Notice]
) -> Record:
  """The log, and the files beside it."""
  try:
    found = trial_files.json_object(trial, records.TRIAL_FILE)
  except ValueError as error:
    file = records.TRIAL_FILE
    noticed.append(trial.notice('damaged trial.json', str(error), file=file))
    found = {}
  return Record(
    where=trial,
    log=log.status,
    evaluations=log.values_CxR.shape[1],
    ended=trial_files.text(found.get('status')),
    hardware=trial_files.text(_hardware(trial, found)),
    benchmark=trial_files.text(found.get('benchmark')),
    benchmark_digest=trial_files.text(found.get('benchmark_digest')),
    ledger=trial_files.text(found.get('ledger')),
    calibration=found.get('calibration'),
    beaten_at=_seconds(found.get('beaten_at')),
    verification=verifications.state(trial, noticed) if found else '',
  )


def _seconds(value: object) -> float:
  return value if isinstance(value, float) else math.nan


def _hardware(trial: trial_files.Trial, found: Mapping[str, Any]) -> str:
  """The machine as trial.json says, or else the reference's file."""
  if text := machines.of_harness(found):
    return text
  try:
    return machines.of_reference(trial_files.json_object(trial, _META_DATA))
  except ValueError:  # It was nobody's promise to keep that file readable.
    return ''
