"""Whether the result of a trial is what its files say it is.

A trial that reached its target left the parameters that did so in a checkpoint.
They are evaluated again, on the workload's own data, in a process that runs
nothing of the submission's code and unpickles nothing; and everything else that
the result rests on, the ledger, the hashes of files, the times and the
benchmark definition, is held against the rest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import csv
import dataclasses
import hashlib
import math
import pathlib
from typing import Any

from algoperf import benchmark as benchmark_lib
from algoperf import checkpoint as checkpoint_lib
from algoperf import files, hardware, ledger, records, spec
from algoperf.hardware import profiles

# Relative. On the machine of the trial, with the same versions, evaluations
# agree to the last bit; on another one sums are formed in another order.
TOLERANCE = 1e-4
_CLOCK_TOLERANCE = 0.01  # Of the wall time, as the supervisor allows.
_CLAIMED = ('step', 'time', 'last_miss')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
  """What keeps a result from being confirmed: a kind, and where it shows."""

  kind: str
  message: str


Evaluate = Callable[
  [Mapping[str, Any], checkpoint_lib.Checkpoint], Mapping[str, float]
]
"""trial.json, a checkpoint → results of its parameters; ValueError if they are
not the workload's."""


def trials(run: pathlib.Path) -> list[pathlib.Path]:
  """The trials of a run: a trial's directory, or anything that holds some.

  Raises:
    UsageError: there are none.
  """
  found = sorted(
    path.parent
    for path in run.rglob(records.TRIAL_FILE)
    if path.parent.name.startswith('trial_')
  )
  if not found:
    raise spec.UsageError(
      f'no trial at {str(run)!r}: give an experiment, such as '
      'experiments/nadamw, or the directory of one of its trials.'
    )
  return found


def missing(run: pathlib.Path) -> list[pathlib.Path]:
  """Where trials should be that ledgers of a run tell of, and that are gone."""
  told = {
    records.trial_directory(path.parent, study, workload, trial)
    for path in run.rglob(ledger.FILE)
    for workload, study, trial in (
      attempt.place for attempt in ledger.parse(path.read_bytes()).attempts()
    )
  }
  return sorted(
    directory
    for directory in told
    if not (directory / records.TRIAL_FILE).exists()
  )


def problems(directory: pathlib.Path, evaluate: Evaluate) -> Iterator[Problem]:
  """What is wrong with a trial's result; nothing if it is confirmed.

  Args:
    directory: of a trial.
    evaluate: how to evaluate its checkpoint again.
  """
  try:
    yield from _problems(directory, evaluate)
  except (KeyError, TypeError, ValueError, AttributeError) as error:
    message = f'{type(error).__name__}: {error}'
    yield Problem(kind='damaged trial.json', message=message)


def digests(directory: pathlib.Path) -> dict[str, str]:
  """SHA-256 of all that a verification rests on in a trial's directory."""
  found = ledger.digests(directory)
  found.pop(records.VERIFICATION_FILE, None)
  name = f'{records.CHECKPOINTS}/{checkpoint_lib.TARGET}'
  if (directory / name).exists():
    with open(directory / name, 'rb') as file:
      found[name] = hashlib.file_digest(file, 'sha256').hexdigest()
  return found


def note(
  directory: pathlib.Path,
  found: Sequence[Problem],
  verified: Mapping[str, str],
) -> None:
  """Leaves the finding beside the trial, for scoring to show.

  Args:
    directory: of the trial.
    found: what is wrong.
    verified: `digests`, as they were before.
  """
  content = {
    'verified': not found,
    'problems': [dataclasses.asdict(problem) for problem in found],
    'files': verified,
    'versions': hardware.versions(),
    'time': records.utc_now(),
  }
  files.write_json(directory / records.VERIFICATION_FILE, content)


def _problems(directory: pathlib.Path, evaluate: Evaluate) -> Iterator[Problem]:
  trial = records.read_trial(directory)
  if trial is None or trial.get('status') not in records.ENDED:
    status = 'unreadable' if trial is None else trial.get('status')
    yield Problem(kind='no result', message=f'the trial is {status}')
    return
  try:
    benchmark = benchmark_lib.load(trial['benchmark'])
    goal = benchmark.row(trial['workload']).goal
  except spec.UsageError as error:
    yield Problem(kind='other definition', message=str(error))
    return
  yield from _definition(trial, benchmark)
  yield from _ledger(directory, trial)
  yield from _times(trial)
  yield from _machine(trial)
  yield from _target(directory, trial, goal, evaluate)


def _definition(
  trial: Mapping[str, Any], benchmark: benchmark_lib.Benchmark
) -> Iterator[Problem]:
  if trial['benchmark_digest'] != benchmark.digest:
    yield Problem(
      kind='other definition',
      message=f'it was run by {benchmark.name}, digest '
      f'{trial["benchmark_digest"][:8]}; here that is {benchmark.digest[:8]}',
    )


def _ledger(
  directory: pathlib.Path, trial: Mapping[str, Any]
) -> Iterator[Problem]:
  """The trial against the line that started it and the one that ended it."""
  experiment = directory.parents[2]
  try:
    chain = ledger.parse((experiment / ledger.FILE).read_bytes())
  except OSError:
    yield Problem(kind='no ledger', message=f'{experiment} has none')
    return
  faults = [fault for fault in chain.faults if not fault.torn]
  for fault in faults:
    where = f'{ledger.FILE}, line {fault.line}'
    yield Problem(kind='broken ledger', message=f'{where}: {fault.message}')
  # Written by the study, so not of the trial's directory.
  seen = files.read_json(experiment / 'experiment.json')
  if not faults and (departure := ledger.departure(chain, seen)):
    yield Problem(kind='broken ledger', message=departure)
  place = trial['workload'], trial['study'], trial['trial']
  workload, study, number = place
  if directory != records.trial_directory(experiment, study, workload, number):
    message = f'it was trial {number} of {workload}, study {study}'
    yield Problem(kind='moved trial', message=message)
  attempts = [own for own in chain.attempts() if own.place == place]
  if not attempts or attempts[-1].ended is None:
    what = 'its end' if attempts else 'this trial'
    yield Problem(kind='not in the ledger', message=f'it does not know {what}')
    return
  started, ended = attempts[-1].started.content, attempts[-1].ended.content
  for key in ledger.STARTED:
    if started.get(key) != trial.get(key):
      message = f'{key} {started.get(key)!r} → {trial.get(key)!r}'
      yield Problem(kind='altered trial', message=message)
  now = ledger.digests(directory)
  for name, digest in ended['files'].items():
    if now.get(name) != digest:
      what = 'is missing' if name not in now else 'is not as the ledger has it'
      yield Problem(kind='altered file', message=f'{name} {what}')


def _times(trial: Mapping[str, Any]) -> Iterator[Problem]:
  """The clock's parts against the wall time, its own and the parent's."""
  parts = dict(trial['time'] or {})
  wall, timed = parts.pop('wall', math.nan), parts.pop('timed', math.nan)
  if not abs(sum(parts.values()) - wall) <= _CLOCK_TOLERANCE * wall:
    message = f'its parts take {sum(parts.values()):.2f} s of {wall:.2f} s'
    yield Problem(kind='wrong times', message=message)
  if not timed <= wall:
    message = f'{timed:.2f} s of submission time in {wall:.2f} s'
    yield Problem(kind='wrong times', message=message)
  if not trial.get('supervisor', {}).get('agrees_with_child'):
    message = 'the parent process did not measure what the trial did'
    yield Problem(kind='wrong times', message=message)


def _machine(trial: Mapping[str, Any]) -> Iterator[Problem]:
  """The machine against the profile that the trial was pinned to."""
  if (name := trial.get('hardware_profile')) is None:
    return
  for difference in profiles.load(name).differences(trial['hardware']):
    yield Problem(kind='other hardware', message=f'{name}: {difference}')


def _target(
  directory: pathlib.Path,
  trial: Mapping[str, Any],
  goal: spec.Goal,
  evaluate: Evaluate,
) -> Iterator[Problem]:
  """The claim itself: the log, and the parameters evaluated again."""
  try:
    claimed, row = _claim(directory / records.EVALUATIONS_FILE, goal)
  except (OSError, ValueError, KeyError) as error:
    yield Problem(kind='damaged log', message=f'{error}')
    return
  told = trial['target'] or {}
  if {name: told.get(name) for name in _CLAIMED} != claimed:
    message = f'by the log {_said(claimed)}, by trial.json {_said(told)}'
    yield Problem(kind='other target', message=message)
  if row is None:
    return
  path = directory / records.CHECKPOINTS / checkpoint_lib.TARGET
  if not path.exists():
    yield Problem(kind='no checkpoint', message=f'there is no {path.name}')
    return
  try:
    found = checkpoint_lib.read(path)
  except checkpoint_lib.Damaged as error:
    yield Problem(kind='damaged checkpoint', message=str(error))
    return
  yield from _checkpoint(trial, found, claimed['step'])
  try:
    results = evaluate(trial, found)
  except ValueError as error:
    yield Problem(kind='other model', message=str(error))
    return
  yield from _results(results, row, goal)


def _claim(
  log: pathlib.Path, goal: spec.Goal
) -> tuple[dict[str, float | None], dict[str, float] | None]:
  """Step, time and last miss of the first evaluation that met the target.

  Returns:
    These, None each if none did; and the row of that evaluation, or None.
  """
  last_miss = 0.0
  with open(log, newline='', encoding='utf-8') as file:
    for text in csv.DictReader(file):
      row = {key: float(value) for key, value in text.items() if value}
      if goal.reached('validation', row):
        values = (int(row['global_step']), row['score'], last_miss)
        return dict(zip(_CLAIMED, values, strict=True)), row
      last_miss = row['score']
  return dict.fromkeys(_CLAIMED), None


def _said(target: Mapping[str, Any]) -> str:
  if target.get('step') is None:
    return 'it was not reached'
  return f'step {target["step"]} after {target["time"]} s'


def _checkpoint(
  trial: Mapping[str, Any], found: checkpoint_lib.Checkpoint, step: int
) -> Iterator[Problem]:
  """Whether a checkpoint is that of this trial's evaluation."""
  identity = dict(found.header['identity'])
  code = identity.pop('workloads_digest')
  if code != hardware.source_digest('workloads'):
    message = 'the source of `workloads` is not that of the trial'
    yield Problem(kind='other workloads', message=message)
  different = [
    f'{key} {value!r} → {trial[key]!r}'
    for key, value in identity.items()
    if key not in ('versions', 'hardware') and value != trial.get(key)
  ]
  if found.header['step'] != step:
    different.append(f'step {found.header["step"]} → {step}')
  if found.sha256 != (trial['target'] or {}).get('checkpoint_sha256'):
    different.append('its SHA-256 is not that in trial.json')
  if different:
    yield Problem(kind='other checkpoint', message='; '.join(different))


def _results(
  results: Mapping[str, float], row: Mapping[str, float], goal: spec.Goal
) -> Iterator[Problem]:
  """What evaluating again gave, against what the log says."""
  for name, value in results.items():
    logged = row.get(name, math.nan)
    same = math.isclose(value, logged, rel_tol=TOLERANCE)
    if not same and not (math.isnan(value) and math.isnan(logged)):
      message = f'{name} is {value:.8g}, logged as {logged:.8g}'
      yield Problem(kind='other results', message=message)
  if not goal.reached('validation', results):
    message = 'evaluated again, it does not meet the target'
    yield Problem(kind='target missed', message=message)
