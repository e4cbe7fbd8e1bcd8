"""The trial directory: what is in it, and all that decides a trial.

The layout and the CSV files are AlgoPerf's, so that either scorer reads the
logs of either harness; `trial_record` writes them:

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
import pathlib
from typing import Any

from algoperf import files

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
