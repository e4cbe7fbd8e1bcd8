"""The trial directory: each file's format, written and read here only.

The layout and the CSV files are AlgoPerf's, so that either scorer reads the
logs of either harness:

  <experiment>/study_<s>/<workload>_jax/trial_<k>/
    eval_measurements.csv   one row an evaluation
    measurements.csv        the same rows, and what the submission logged
    hparams.json            the hyperparameter point (external tuning)
    flags_<p>.json          the trial's specification, p times resumed
    meta_data_<p>.json      the workload's properties and the machine
    checkpoints/            to go on from, see `checkpoint`
    trial.json              ours: status, seeds, versions, hashes, all times
    trial.log               what the submission printed
    traceback.txt           why it failed, if it did
    verification.json       what `algoperf verify` found, and in which files

and two files of the whole experiment, beside its studies:

  experiment.json           its seed, and how far the ledger went
  ledger.jsonl              every trial started and how it ended, see `ledger`
"""

from collections.abc import Mapping
import dataclasses
import datetime
import errno
import math
import pathlib
from typing import Any

from algoperf import csv_log, files
from algoperf import scalars as scalars_lib

EXPERIMENT_FILE = 'experiment.json'
TRIAL_FILE = 'trial.json'
EVALUATIONS_FILE = 'eval_measurements.csv'
MEASUREMENTS_FILE = 'measurements.csv'
VERIFICATION_FILE = 'verification.json'
TRACEBACK_FILE = 'traceback.txt'
LOG_FILE = 'trial.log'
CHECKPOINTS = 'checkpoints'  # See `checkpoint`.

# A trial that ended so is gone on with by the same command.
UNFINISHED = ('running', 'interrupted')
# A trial that ended so has ended by the rules; see `trial.Ending`.
ENDED = (
  'target_reached',
  'out_of_time',
  'beaten',
  'completed',
  'max_steps',
  'diverged',
)

# Fields of a TrialSpec that do not change what is computed, as far as it goes.
_PLACES = (
  'submission_path',
  'benchmark',
  'data_dir',
  'directory',
  'checkpoint_minutes',
  'beaten_at',
)
FULL = 'the disk is full: free some space'
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What trial.json says of the part of a run that is gone on from.
_REWOUND = ('started', 'steps', 'evaluations', 'first_non_finite_step')


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialSpec:
  """All that decides what one trial computes, as written to flags_0.json.

  Attributes:
    workload: name in the benchmark.
    submission: name under which it is scored.
    submission_path: where its source is.
    submission_digest: SHA-256 of its source.
    benchmark: name or path of the definition.
    benchmark_digest: SHA-256 of its content.
    ruleset: 'external' or 'self'.
    study: from 1.
    trial: from 1, within the study.
    seed: 32 bits.
    hyperparameters: the point, or None in self-tuning.
    max_steps: end after so many steps, or None.
    data_dir: where data sets are.
    directory: where the trial is recorded.
    eval_every_steps: evaluate after the first step and every so many, instead
      of by time, so that two runs can be compared row by row; or None.
    checkpoint_minutes: between checkpoints, besides those at evaluations.
    hardware_profile: what the machine must be (`hardware.profiles`), or None.
    xla_flags: those that XLA runs with, or None.
    beaten_at: end once so many seconds of submission time have passed without
      the target, because another trial of the study took no longer; or None.
  """

  workload: str
  submission: str
  submission_path: str
  submission_digest: str
  benchmark: str
  benchmark_digest: str
  ruleset: str
  study: int
  trial: int
  seed: int
  hyperparameters: dict[str, Any] | None
  max_steps: int | None
  data_dir: str
  directory: str
  eval_every_steps: int | None = None
  checkpoint_minutes: float = 10.0
  hardware_profile: str | None = None
  xla_flags: str | None = None
  beaten_at: float | None = None

  def identity(self) -> dict[str, Any]:
    """What two runs must agree in to be the same trial.

    Where sources and data lie may differ; what they hold may not.
    """
    content = dataclasses.asdict(self)
    return {name: content[name] for name in content if name not in _PLACES}

  def differences(self, recorded: Mapping[str, Any]) -> list[str]:
    """What a recorded trial was run with that this one would not be."""
    return [
      f'{name} {recorded.get(name)!r} → {value!r}'
      for name, value in self.identity().items()
      if recorded.get(name) != value
    ]


def is_full(error: BaseException | None) -> bool:
  """Whether an error, or what it came from, is that of a disk without space."""
  while error is not None:
    if isinstance(error, OSError) and error.errno in _FULL:
      return True
    error = error.__cause__ or error.__context__
  return False


def trial_directory(
  experiment: str, study: int, workload: str, trial: int
) -> pathlib.Path:
  """Where one trial of an experiment is recorded."""
  return (
    pathlib.Path(experiment)
    / f'study_{study}'
    / f'{workload}_jax'
    / f'trial_{trial}'
  )


def read_trial(directory: pathlib.Path) -> dict[str, Any] | None:
  """The content of trial.json; None where there is none to be read."""
  return files.read_json(directory / TRIAL_FILE)


class TrialRecord:
  """Writes one trial's directory, from its start to its end."""

  def __init__(
    self,
    directory: pathlib.Path,
    spec: TrialSpec,
    facts: Mapping[str, Any],
    scalars: scalars_lib.ScalarBuffer,
  ):
    """Begins a trial in a directory that exists.

    Args:
      directory: the trial's.
      spec: what is run.
      facts: goal, keys, versions, hardware: what else belongs in trial.json.
      scalars: what the submission logs.
    """
    self._directory = directory
    self._scalars = scalars
    self._evaluations = csv_log.CsvLog(directory / EVALUATIONS_FILE)
    self._measurements = csv_log.CsvLog(directory / MEASUREMENTS_FILE)
    # Attempts before this one are told of, whatever it goes on from.
    preemptions = (read_trial(directory) or {}).get('preemptions', [])
    self._content = dataclasses.asdict(spec) | {
      'format': 1,
      'status': 'running',
      'message': None,
      'started': utc_now(),
      'ended': None,
      'steps': 0,
      'evaluations': 0,
      'target': None,
      'first_non_finite_step': None,
      'preemptions': preemptions,
      **facts,
      'time': None,
    }
    self._spec = spec
    if spec.hyperparameters is not None:
      files.write_json(directory / 'hparams.json', spec.hyperparameters)

  def begin(self, meta_data: Mapping[str, Any]) -> None:
    """Writes what is known before the first step."""
    count = self._preemption_count
    flags = dataclasses.asdict(self._spec)
    files.write_json(self._directory / f'flags_{count}.json', flags)
    files.write_json(self._directory / f'meta_data_{count}.json', meta_data)
    self._save()

  @property
  def _preemption_count(self) -> int:
    return len(self._content['preemptions'])

  def state(self) -> dict[str, Any]:
    """How far the record goes, for `rewind`; writes what is logged till now."""
    self._measurements.append(self._scalars.drain())
    return {
      'evaluations': self._evaluations.state(),
      'measurements': self._measurements.state(),
      'content': {name: self._content[name] for name in _REWOUND},
    }

  def sync(self) -> None:
    """Waits until all rows are on the disk."""
    self._evaluations.sync()
    self._measurements.sync()

  def rewind(
    self, state: Mapping[str, Any], preemption: Mapping[str, Any]
  ) -> None:
    """Goes on where a record was in that state.

    Args:
      state: of an earlier attempt in this directory.
      preemption: what is known of its end.

    Raises:
      ValueError: rows are missing.
    """
    self._evaluations.rewind(state['evaluations'])
    self._measurements.rewind(state['measurements'])
    self._content |= state['content']
    self._content['preemptions'] = [
      *self._content['preemptions'],
      {**preemption, 'resumed': utc_now()},
    ]

  def note(self, name: str, value: Any) -> None:
    """Adds a fact to trial.json."""
    self._content[name] = value
    self._save()

  def evaluated(self, step: int, results: Mapping[str, float]) -> None:
    """Appends one evaluation and what the submission has logged till then."""
    count = self._preemption_count
    row = {'global_step': step, 'preemption_count': count, **results}
    self._evaluations.append([row])
    self._measurements.append([*self._scalars.drain(), row])
    self._content['evaluations'] += 1
    self._content['steps'] = step
    losses = [v for k, v in results.items() if k.endswith('/loss')]
    if not all(map(math.isfinite, losses)):
      self._content['first_non_finite_step'] = (
        self._content['first_non_finite_step'] or step
      )

  def end(
    self,
    status: str,
    *,
    steps: int,
    times: Mapping[str, float],
    target: Mapping[str, float] | None = None,
    message: str | None = None,
    traceback: str | None = None,
  ) -> None:
    """Writes the end of the trial.

    Args:
      status: how it ended.
      steps: updates made.
      times: seconds, 'wall', 'timed' and by part of the clock.
      target: where the validation target was met: 'step', 'time' and
        'last_miss' in seconds of submission time; None if it was not.
      message: one line on a failure.
      traceback: the whole of it.
    """
    if traceback is not None:
      path = self._directory / TRACEBACK_FILE
      path.write_text(traceback, encoding='utf-8')
    rows = self._scalars.drain() if status != 'failed' else []
    self._measurements.append(
      [*rows, {'global_step': steps, 'score': times['timed']}]
    )
    self._content |= {
      'status': status,
      'message': message,
      'ended': utc_now(),
      'steps': steps,
      'target': target,
      'time': dict(times),
    }
    self._save()

  def _save(self) -> None:
    files.write_json(self._directory / TRIAL_FILE, self._content)


def amend(directory: pathlib.Path, changes: Mapping[str, Any]) -> None:
  """Adds to trial.json what only the parent process knows."""
  content = read_trial(directory)
  if content is not None:
    files.write_json(directory / TRIAL_FILE, content | dict(changes))


def archive(directory: pathlib.Path) -> None:
  """Moves an earlier attempt's files aside, into a folder of its own.

  Nothing is lost, and no scorer takes the folder for a trial.
  """
  if not directory.is_dir():
    return
  kept = [
    path
    for path in directory.iterdir()
    if path.is_file() or path.name == CHECKPOINTS
  ]
  if not kept:
    return
  number = 1
  while (target := directory / f'attempt_{number}').exists():
    number += 1
  target.mkdir()
  for path in kept:
    path.rename(target / path.name)


def utc_now() -> str:
  """This moment as trial.json and the ledger have it, to the second."""
  now = datetime.datetime.now(datetime.UTC)
  return now.isoformat(timespec='seconds')
