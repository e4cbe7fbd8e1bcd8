"""The trials of one submission: which, in which order, and with which seeds."""

from collections.abc import Iterator, Sequence
import dataclasses
import hashlib
import pathlib

from algoperf import benchmark as benchmark_lib
from algoperf import records, sources, spec, tuning


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
  source: sources.Source
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

  def with_rival(self, trial: records.TrialSpec) -> records.TrialSpec:
    """The trial, which ends when it is beaten, if the plan says so."""
    if not self.stop_when_beaten:
      return trial
    times = [
      recorded['target']['time']
      for other in self.specs()
      if (other.study, other.workload) == (trial.study, trial.workload)
      and other.trial != trial.trial
      and (recorded := records.read_trial(pathlib.Path(other.directory)))
      and recorded['status'] in records.ENDED
      and recorded['target'] is not None
    ]
    return dataclasses.replace(trial, beaten_at=min(times, default=None))

  def budget(self, workload: str) -> float:
    """Seconds of submission time that a trial may use."""
    factor = self.benchmark.rulesets[self.ruleset].budget_factor
    return self.benchmark.row(workload).goal.max_runtime * factor


def trial_seed(experiment_seed: int, study: int, trial: int) -> int:
  """The 32-bit seed of one trial of an experiment."""
  text = f'{experiment_seed} {study} {trial}'
  return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


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
