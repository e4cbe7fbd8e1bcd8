"""The commands that run trials: one workload, or a whole benchmark.

They return the exit status: 0, 1 if a trial ended badly, 75 if one had to stop.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import functools
import os
import pathlib
import signal
import sys
from typing import TYPE_CHECKING

from algoperf import benchmark as benchmark_lib
from algoperf import hosts, sources, spec

if TYPE_CHECKING:  # Help and lists are to stay instant.
  from algoperf import plan as plan_lib
  from algoperf import progress as progress_lib

_UNFINISHED = 75  # EX_TEMPFAIL of sysexits.h.
_BAD = {'failed', 'timed_out', 'out_of_memory', 'disqualified'}


class TerminatedError(KeyboardInterrupt):
  """SIGTERM: the machine is wanted for something else."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialOptions:
  """What `run` and `bench` have in common.

  Attributes:
    benchmark: name or TOML file.
    data_dir: absolute.
    experiment_dir: holds the experiments, each in a folder of its name.
    ruleset: 'external' or 'self'.
    tuning_search_space: JSON file; None for the one beside the submission.
    num_tuning_trials: in each study; None for the command's default.
    num_studies: None for the command's default.
    seed: of the experiment; None for the one before, or a fresh one.
    max_steps: end trials after so many steps.
    checkpoint_minutes: between checkpoints, besides those at evaluations.
    host: which one this is, if trials take several.
    hardware: what the machine must be: a profile, or 'auto'.
    xla_flags: what the environment has in XLA_FLAGS.
    stop_when_beaten: see `plan_lib.Plan`.
  """

  benchmark: str
  data_dir: str
  experiment_dir: pathlib.Path
  ruleset: str
  tuning_search_space: str | None
  num_tuning_trials: int | None
  num_studies: int | None
  seed: int | None
  max_steps: int | None
  checkpoint_minutes: float
  host: hosts.Hosts | None = None
  hardware: str = 'auto'
  xla_flags: str = ''
  stop_when_beaten: bool = False


def run(
  options: TrialOptions,
  *,
  workload: str,
  submission: str,
  experiment_name: str | None,
) -> int:
  """One workload, one submission: one trial, unless more are asked for."""
  benchmark = benchmark_lib.load(options.benchmark)
  plan = _plan(
    options,
    benchmark,
    submission,
    (workload,),
    experiment_name,
    benchmark_lib.Ruleset(name='run', trials=1, studies=1, budget_factor=1),
  )
  return _run_plans([plan], options.host)


def bench(
  options: TrialOptions, *, submissions: Sequence[str], workloads: Sequence[str]
) -> int:
  """A whole benchmark: the trials that are missing."""
  benchmark = benchmark_lib.load(options.benchmark)
  if list(submissions) == ['all']:
    submissions = _baselines(options)
  return _run_plans(
    [
      _plan(
        options,
        benchmark,
        submission,
        tuple(workloads) or benchmark.scored,
        None,
        benchmark.rulesets[options.ruleset],
      )
      for submission in submissions
    ],
    options.host,
  )


def _baselines(options: TrialOptions) -> list[str]:
  """The submissions that come with this package, of the ruleset asked for."""
  tuned = options.ruleset == 'external'
  return [
    name
    for name in sources.names()
    if (sources.locate(name).search_space is not None) == tuned
  ]


def _plan(
  options: TrialOptions,
  benchmark: benchmark_lib.Benchmark,
  submission: str,
  workloads: tuple[str, ...],
  name: str | None,
  defaults: benchmark_lib.Ruleset,
) -> 'plan_lib.Plan':
  """The trials to run, everything checked that can be without running them."""
  from algoperf import experiment
  from algoperf import plan as plan_lib
  from algoperf import submission as submission_lib
  from algoperf.hardware import profiles

  xla_flags = profiles.xla_flags(options.hardware, options.xla_flags)
  for workload in workloads:
    benchmark.row(workload)  # Refuses an unknown one.
  if options.stop_when_beaten and benchmark.scoring.study != 'least_time':
    raise spec.UsageError(
      f'{benchmark.name} does not score by the least time of a study: a trial '
      'may count that takes longer; leave out --stop_when_beaten.'
    )
  source = sources.locate(submission)
  submission_lib.check(source)
  directory = options.experiment_dir / (name or source.name)
  experiment.check_writable(directory)
  plan = plan_lib.Plan(
    benchmark=benchmark,
    benchmark_path=options.benchmark,
    source=source,
    workloads=workloads,
    ruleset=options.ruleset,
    search_space=_search_space(options, source),
    trials=options.num_tuning_trials or defaults.trials,
    studies=options.num_studies or defaults.studies,
    seed=experiment.seed_of(directory, options.seed),
    max_steps=options.max_steps,
    checkpoint_minutes=options.checkpoint_minutes,
    data_dir=options.data_dir,
    directory=directory,
    hardware_profile=None if options.hardware == 'auto' else options.hardware,
    xla_flags=xla_flags,
    stop_when_beaten=options.stop_when_beaten,
  )
  list(plan.specs())  # Refuses a malformed search space.
  return plan


def _search_space(
  options: TrialOptions, source: sources.Source
) -> pathlib.Path | None:
  """The search space's file; None in self-tuning, or where there is none."""
  asked = options.tuning_search_space
  if options.ruleset == 'self':
    if asked:
      raise spec.UsageError(
        '--ruleset=self has no tuning: leave out --tuning_search_space.'
      )
    return None
  return pathlib.Path(asked) if asked else source.search_space


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
  """Where SIGTERM ends trials in good order, as Ctrl-C does."""

  def terminate(*_: object) -> None:
    raise TerminatedError

  before = signal.signal(signal.SIGTERM, terminate)
  try:
    yield
  finally:
    signal.signal(signal.SIGTERM, before)


def _run_plans(
  plans: Sequence['plan_lib.Plan'], host: hosts.Hosts | None
) -> int:
  import rich.console

  from algoperf import progress, study

  screen = progress.Screen(rich.console.Console())
  try:
    with contextlib.closing(screen), _terminable():
      statuses = _statuses(plans, host, screen)
  except study.UnfinishedError as error:
    print(f'algoperf: {error}; the same command continues', file=sys.stderr)
    return _UNFINISHED
  for plan in plans:
    print(f'results: {os.path.relpath(plan.directory)}')
  return 0 if _BAD.isdisjoint(statuses) else 1


def _statuses(
  plans: Sequence['plan_lib.Plan'],
  host: hosts.Hosts | None,
  screen: 'progress_lib.Screen',
) -> list[str]:
  """Runs the trials, on this host or as one of several."""
  from algoperf import plan as plan_lib
  from algoperf import relay, study

  if host is None:
    return study.run(plans, screen)
  if host.index == 0:
    print(f'waiting for the other processes at {host.coordinator}')
    with contextlib.closing(relay.Leader(host)) as leader:
      return study.run(plans, screen, leader.announce)
  adapt = functools.partial(plan_lib.own_trial, plans, host.index)
  return study.follow(screen, relay.Follower(host).trials(adapt))
