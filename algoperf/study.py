"""Which trials to run, in which order, and which of them are done."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import tempfile
from typing import Any, Protocol

from algoperf import benchmark as benchmark_lib
from algoperf import bookkeeper, files, hosts, records, spec, supervisor, tuning
from algoperf import submission as submission_lib

# Attempts at a trial whose process is ended from outside, in one run of the
# command: each goes on from the last checkpoint. What a submission does wrong,
# out of memory included, is never tried again.
_ATTEMPTS = 3
_BROKEN = ('failed', 'out_of_memory')


class UnfinishedError(Exception):
  """A trial stopped and can be gone on with, but not now."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """The trials of one submission on some workloads.

  Attributes:
    benchmark: the definition.
    benchmark_path: its name or file, for the trials' processes.
    source: the submission.
    workloads: names in the benchmark, in the order to run.
    ruleset: 'external' or 'self'.
    search_space: the JSON file, or None in self-tuning.
    trials: in each study; a list of points may hold fewer.
    studies: repetitions.
    seed: of the experiment; each trial has its own, derived from it.
    max_steps: end trials after so many steps, or None.
    data_dir: where data sets are.
    directory: of the experiment; holds study_1, study_2 …
    eval_every_steps: evaluate by steps and not by time, to compare runs.
    checkpoint_minutes: between checkpoints, besides those at evaluations.
    hardware_profile: what the machine must be, or None.
    xla_flags: those that XLA runs with, or None.
    stop_when_beaten: end a trial once it has taken as long as another one of
      its study took to the target: no score by time is another for it.
  """

  benchmark: benchmark_lib.Benchmark
  benchmark_path: str
  source: submission_lib.Source
  workloads: tuple[str, ...]
  ruleset: str
  search_space: pathlib.Path | None
  trials: int
  studies: int
  seed: int
  max_steps: int | None
  data_dir: str
  directory: pathlib.Path
  eval_every_steps: int | None = None
  checkpoint_minutes: float = 10.0
  hardware_profile: str | None = None
  xla_flags: str | None = None
  stop_when_beaten: bool = False

  def specs(self) -> Iterator[records.TrialSpec]:
    """Every trial, study by study, so that early results are whole studies."""
    for study in range(1, self.studies + 1):
      points = self._points(study)
      for workload in self.workloads:
        for number, point in enumerate(points, start=1):
          yield self._spec(study, workload, number, point)

  def _points(self, study: int) -> Sequence[tuning.Point | None]:
    if self.search_space is None:
      return [None] * self.trials
    return tuning.load(self.search_space, self.trials, self.seed, study)

  def _spec(
    self,
    study: int,
    workload: str,
    number: int,
    point: tuning.Point | None,
  ) -> records.TrialSpec:
    return records.TrialSpec(
      workload=workload,
      submission=self.source.name,
      submission_path=str(self.source.path),
      submission_digest=self.source.digest,
      benchmark=self.benchmark_path,
      benchmark_digest=self.benchmark.digest,
      ruleset=self.ruleset,
      study=study,
      trial=number,
      seed=trial_seed(self.seed, study, number),
      hyperparameters=point,
      max_steps=self.max_steps,
      data_dir=self.data_dir,
      directory=str(
        records.trial_directory(self.directory, study, workload, number)
      ),
      eval_every_steps=self.eval_every_steps,
      checkpoint_minutes=self.checkpoint_minutes,
      hardware_profile=self.hardware_profile,
      xla_flags=self.xla_flags,
    )

  def budget(self, workload: str) -> float:
    """Seconds of submission time that a trial may use."""
    factor = self.benchmark.rulesets[self.ruleset].budget_factor
    return self.benchmark.row(workload).goal.max_runtime * factor


def with_rival(plan: Plan, trial: records.TrialSpec) -> records.TrialSpec:
  """The trial, which ends when it is beaten, if the plan says so."""
  if not plan.stop_when_beaten:
    return trial
  times = [
    recorded['target']['time']
    for other in plan.specs()
    if (other.study, other.workload) == (trial.study, trial.workload)
    and other.trial != trial.trial
    and (recorded := records.read_trial(pathlib.Path(other.directory)))
    and recorded['status'] in records.ENDED
    and recorded['target'] is not None
  ]
  return dataclasses.replace(trial, beaten_at=min(times, default=None))


def trial_seed(experiment_seed: int, study: int, trial: int) -> int:
  """The 32-bit seed of one trial of an experiment."""
  text = f'{experiment_seed} {study} {trial}'
  return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


class Observer(Protocol):
  """Who is told how trials go."""

  def skipped(self, trial: records.TrialSpec, status: str) -> None:
    """A trial that was run before."""

  def started(self, trial: records.TrialSpec, plan: Plan) -> None:
    """A trial that begins now."""

  def progressed(self, event: Mapping[str, Any]) -> None:
    """An event of the running trial, see `worker`; empty when it is silent."""

  def ended(
    self, trial: records.TrialSpec, outcome: supervisor.Outcome
  ) -> None:
    """The running trial has ended."""


def run(
  plans: Sequence[Plan],
  observer: Observer,
  announce: Callable[[records.TrialSpec], hosts.Hosts] | None = None,
) -> list[str]:
  """Runs the trials that are missing, each in a process of its own.

  A trial that was interrupted is gone on with; a failed one is run again once
  the submission or anything else has changed. Files of an earlier attempt that
  cannot be gone on with are kept in a folder inside the trial's.

  Args:
    plans: the trials.
    observer: is told how they go.
    announce: if trials take several hosts, tells the others of one that begins.

  Returns:
    The status of every trial, those of earlier runs included.

  Raises:
    UsageError: a directory holds trials of something else, or has a runner
      already; nothing was run.
    UnfinishedError: a trial stopped, such as of a full disk.
  """
  with contextlib.ExitStack() as stack:
    keepers = {
      directory: stack.enter_context(bookkeeper.opened(directory))
      for directory in dict.fromkeys(plan.directory for plan in plans)
    }
    return _run(plans, observer, keepers, announce)


def _run(
  plans: Sequence[Plan],
  observer: Observer,
  keepers: Mapping[pathlib.Path, bookkeeper.Bookkeeper],
  announce: Callable[[records.TrialSpec], hosts.Hosts] | None,
) -> list[str]:
  todo = [(plan, list(plan.specs())) for plan in plans]
  done = {
    trial.directory: status
    for _, trials in todo
    for trial in trials
    if (status := _status_before(trial))
  }
  statuses = []
  for plan, trials in todo:
    keeper = keepers[plan.directory]
    for trial in trials:
      if status := done.get(trial.directory):
        keeper.ended(trial, status, 'found')
        observer.skipped(trial, status)
      else:
        trial = with_rival(plan, trial)
        host = None if announce is None else announce(trial)
        status = _run_trial(plan, trial, observer, keeper, host)
      statuses.append(status)
  return statuses


def follow(
  observer: Observer,
  announced: Iterable[tuple[tuple[Plan, records.TrialSpec], hosts.Hosts]],
) -> list[str]:
  """Takes part in the trials that the first of several hosts runs.

  Args:
    observer: is told how they go.
    announced: what `own_trial` makes of each trial, and where it takes place.

  Returns:
    The status of every trial.
  """
  return [
    _run_trial(plan, own, observer, bookkeeper.Nobody(), host)
    for (plan, own), host in announced
  ]


def own_trial(
  plans: Sequence[Plan], index: int, trial: records.TrialSpec
) -> tuple[Plan, records.TrialSpec]:
  """Host number `index`'s plan for a trial of the first, and its own trial.

  It is recorded in a folder inside that of the first host, where no scorer
  takes it for a trial.

  Raises:
    UsageError: the first host runs something else than was planned here.
  """
  for plan in plans:
    ours = (plan.source.name, plan.source.digest, plan.benchmark.digest)
    theirs = (trial.submission, trial.submission_digest, trial.benchmark_digest)
    if ours == theirs and trial.workload in plan.workloads:
      directory = records.trial_directory(
        plan.directory, trial.study, trial.workload, trial.trial
      )
      return plan, dataclasses.replace(
        trial,
        submission_path=str(plan.source.path),
        benchmark=plan.benchmark_path,
        data_dir=plan.data_dir,
        directory=str(directory / f'host_{index}'),
      )
  raise spec.UsageError(
    f'process 0 runs {trial.submission} on {trial.workload}, which is not the '
    'same here: give every process the same submission, workload and benchmark.'
  )


def _run_trial(
  plan: Plan,
  trial: records.TrialSpec,
  observer: Observer,
  keeper: bookkeeper.Bookkeeper | bookkeeper.Nobody,
  host: hosts.Hosts | None,
) -> str:
  begun = False

  def begin() -> None:
    nonlocal begun
    begun = True
    write_experiment(plan)
    keeper.started(trial)

  def on_event(event: Mapping[str, Any]) -> None:
    if event.get('event') == 'ready':  # Before that, nothing is written.
      begin()
    observer.progressed(event)

  observer.started(trial, plan)
  try:
    outcome = _attempts(plan, trial, on_event, host)
    if not begun:  # The submission has ended or held up its process.
      begin()
    keeper.ended(trial, outcome.status)
  except KeyboardInterrupt:
    recorded = records.read_trial(pathlib.Path(trial.directory)) or {}
    with contextlib.suppress(OSError):
      keeper.ended(trial, recorded.get('status', 'interrupted'))
    raise
  except OSError as error:
    if not records.is_full(error):
      raise
    outcome = supervisor.Outcome(status='interrupted', message=records.FULL)
  observer.ended(trial, outcome)
  if outcome.status in records.UNFINISHED:
    raise UnfinishedError(
      f'{trial.directory} stopped ({outcome.message or "SIGTERM"})'
    )
  return outcome.status


def _attempts(
  plan: Plan,
  trial: records.TrialSpec,
  on_event: Callable[[Mapping[str, Any]], None],
  host: hosts.Hosts | None,
) -> supervisor.Outcome:
  """Runs a trial, again if its process is ended from outside.

  Only once on several hosts, which would have to begin again together.
  """
  attempts = _ATTEMPTS if host is None else 1
  budget = plan.budget(trial.workload)
  for attempt in range(1, attempts + 1):
    outcome = supervisor.run(trial, budget, on_event, host=host)
    if not outcome.from_outside:
      return outcome
    if attempt < attempts:
      on_event({'event': 'note', 'text': f'{outcome.message}: going on'})
  message = f'{outcome.message} ({attempts} attempts)'
  supervisor.end(trial, 'failed', message)
  return supervisor.Outcome(status='failed', message=message)


def _status_before(trial: records.TrialSpec) -> str | None:
  """How this very trial ended before; None if it is still to be run.

  Raises:
    UsageError: its directory holds another one.
  """
  recorded = records.read_trial(pathlib.Path(trial.directory))
  if recorded is None or recorded['status'] in records.UNFINISHED:
    return None
  differences = trial.differences(recorded)
  if not differences:
    return recorded['status']
  if recorded['status'] in _BROKEN:
    return None
  raise spec.UsageError(
    f'{trial.directory} holds another trial ({"; ".join(differences)}): choose '
    'another --experiment_dir, or move that directory away.'
  )


def experiment_seed(directory: pathlib.Path, asked: int | None) -> int:
  """The seed of an experiment: as asked, as before, or a fresh one."""
  if asked is not None:
    return asked
  recorded = files.read_json(directory / records.EXPERIMENT_FILE) or {}
  return recorded.get('seed', int.from_bytes(os.urandom(4)))


def write_experiment(plan: Plan) -> None:
  """Notes the seed, so that the same command goes on with it."""
  try:
    plan.directory.mkdir(parents=True, exist_ok=True)
    path = plan.directory / records.EXPERIMENT_FILE
    before = files.read_json(path) or {}
    files.write_json(path, before | {'seed': plan.seed})
  except OSError as error:
    raise _not_writable(plan.directory, error) from error


def check_writable(directory: pathlib.Path) -> None:
  """Refuses a directory that could not be made or written; leaves no trace."""
  existing = directory
  while not existing.exists():
    existing = existing.parent
  try:
    with tempfile.TemporaryDirectory(prefix='.algoperf-', dir=existing):
      pass
  except OSError as error:
    raise _not_writable(directory, error) from error


def _not_writable(directory: pathlib.Path, error: OSError) -> spec.UsageError:
  return spec.UsageError(
    f'experiment directory {directory} cannot be written '
    f'({error.strerror}): choose another --experiment_dir.'
  )
