"""What the subcommands do, from typed values; `cli` parses their flags.

Each function imports what it needs, so that help and lists stay instant, and
returns the exit status: 0, or 1 if something was found wanting.
"""

from collections.abc import Iterable, Iterator, Sequence
import contextlib
import dataclasses
import functools
import gc
import os
import pathlib
import signal
import sys
from typing import TYPE_CHECKING, Any

from algoperf import benchmark as benchmark_lib
from algoperf import hosts, spec

EXIT_UNFINISHED = 75  # EX_TEMPFAIL of sysexits.h.


class TerminatedError(KeyboardInterrupt):
  """SIGTERM: the machine is wanted for something else."""


if TYPE_CHECKING:
  from algoperf import doctor as doctor_lib
  from algoperf import progress as progress_lib
  from algoperf import study
  from algoperf import submission as submission_lib


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


def show_list(kinds: Sequence[str], benchmark: str) -> int:
  """Prints tables of what there is."""
  from algoperf import listing

  print(listing.show(kinds or listing.KINDS, benchmark))
  return 0


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


def score(
  logs: Sequence[str],
  benchmark: str | None,
  *,
  ruleset: str,
  among: str | None,
  separate: Sequence[str],
  output_dir: str | None,
  report_file: str | None,
  **options: Any,
) -> int:
  """Prints scores and times; writes tables, figures, report if told where.

  Args:
    logs: directories and archives.
    benchmark: name or file of the definition; None: that of the published
      board, or else the small one.
    ruleset: 'external' or 'self'.
    among: a published board, or None.
    separate: two submissions of which to say how many studies would tell them
      apart, or none.
    output_dir: where tables and figures go.
    report_file: the HTML report to write.
    **options: as `scoring.score` takes them.
  """
  gc.disable()  # A tenth of the time, and little is ever freed.
  import scoring
  from scoring import report

  if benchmark is None:
    benchmark = _benchmark_of(among, ruleset)
  result = scoring.score(
    logs, benchmark, ruleset=ruleset, among=among, **options
  )
  apart = report.separation_line(result, separate) if separate else None
  report.show(result)
  if apart is not None:
    print(apart)
  try:
    paths = _write(result, output_dir, report_file)
  except OSError as error:
    reason = f'{error.filename}: {error.strerror}'
    raise spec.UsageError(f'cannot write {reason}') from error
  for path in paths:
    print(f'wrote {path}')
  return 0


def _write(
  result: Any, output_dir: str | None, report_file: str | None
) -> list[pathlib.Path]:
  """Writes tables, figures and report, as far as asked for."""
  paths = []
  if output_dir is not None:
    from scoring import plots, publish, report

    for part in (report, plots, publish):
      paths += part.write(result, output_dir)
  if report_file is not None:
    from scoring import html

    paths.append(html.write(result, report_file))
  return paths


def _benchmark_of(among: str | None, ruleset: str) -> str:
  """The benchmark to score by if none is named."""
  if among is None:
    return 'mini'
  from scoring import published

  return published.load(among, ruleset).benchmark


def new(name: str, *, directory: pathlib.Path, template: str) -> int:
  """Writes a submission that runs as it is."""
  from algoperf import scaffold

  folder = scaffold.create(name, directory, template)
  ruleset = ' --ruleset=self' if template == 'self_tuning' else ''
  print(
    f'created {folder}; try it:\n'
    f'  algoperf run --workload=mnist_resnet --submission={folder}{ruleset}'
  )
  return 0


def prepare_data(names: Sequence[str], data_dir: str) -> int:
  """Makes the data sets of some workloads that are not there yet."""
  from workloads import registry

  for workload in [registry.get(name) for name in names]:
    if not workload.data_is_ready(data_dir):
      _prepare(workload, data_dir)
    print(f'{workload.name}: ready')
  return 0


def _prepare(workload: spec.Workload, data_dir: str) -> None:
  """Says what it takes, and how far it has come."""
  from algoperf import hardware

  needs = workload.data_needs()
  existing = pathlib.Path(data_dir)
  while not existing.exists():
    existing = existing.parent
  free = hardware.free_disk_gib(str(existing))
  print(
    f'{workload.name}: made from {needs.source}; takes up to '
    f'{needs.disk_gib:g} GiB of disk and {needs.time}; {free:.0f} GiB are free '
    f'at {data_dir}{" – TOO LITTLE?" if free < needs.disk_gib else ""}',
    flush=True,
  )
  workload.prepare_data(data_dir, functools.partial(print, flush=True))


def data_status(names: Sequence[str], data_dir: str) -> int:
  """Prints which workloads have their data; 1 if any has not."""
  from workloads import registry

  names = names or registry.names()
  width = max(map(len, names))
  missing = False
  for name in names:
    state = 'ready'
    try:
      registry.get(name).check_data(data_dir)
    except spec.UsageError as error:
      missing, state = True, str(error)
    print(f'{name:{width}}  {state}')
  return 1 if missing else 0


def doctor(*, benchmark: str, data_dir: str) -> int:
  """Prints what was found, and for each problem what to do about it."""
  from algoperf import doctor as doctor_lib

  workloads = benchmark_lib.load(benchmark).base
  return _report(doctor_lib.examine(data_dir, workloads))


def check(submission: str, *, space: str | None, benchmark: str) -> int:
  """Prints what a submission is, and what stands in its way."""
  from algoperf import inspection

  path = None if space is None else pathlib.Path(space)
  return _report(inspection.examine(submission, path, benchmark))


def _report(findings: 'Iterable[doctor_lib.Finding]') -> int:
  problems = 0
  for finding in findings:
    mark = 'PROBLEM' if finding.advice else 'ok'
    print(f'{mark:8} {finding.what}: {finding.found}', flush=True)
    if finding.advice:
      problems += 1
      print(f'         → {finding.advice}')
  return 1 if problems else 0


def _plan(
  options: TrialOptions,
  benchmark: benchmark_lib.Benchmark,
  submission: str,
  workloads: tuple[str, ...],
  name: str | None,
  defaults: benchmark_lib.Ruleset,
) -> 'study.Plan':
  """The trials to run, everything checked that can be without running them."""
  from algoperf import study
  from algoperf import submission as submission_lib
  from algoperf.hardware import profiles

  xla_flags = profiles.xla_flags(options.hardware, options.xla_flags)
  for workload in workloads:
    benchmark.row(workload)  # Refuses an unknown one.
  source = submission_lib.locate(submission)
  submission_lib.check(source)
  directory = options.experiment_dir / (name or source.name)
  study.check_writable(directory)
  plan = study.Plan(
    benchmark=benchmark,
    benchmark_path=options.benchmark,
    source=source,
    workloads=workloads,
    ruleset=options.ruleset,
    search_space=_search_space(options, source),
    trials=options.num_tuning_trials or defaults.trials,
    studies=options.num_studies or defaults.studies,
    seed=study.experiment_seed(directory, options.seed),
    max_steps=options.max_steps,
    checkpoint_minutes=options.checkpoint_minutes,
    data_dir=options.data_dir,
    directory=directory,
    hardware_profile=None if options.hardware == 'auto' else options.hardware,
    xla_flags=xla_flags,
  )
  list(plan.specs())  # Refuses a malformed search space.
  return plan


def _search_space(
  options: TrialOptions, source: 'submission_lib.Source'
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


_BAD = {'failed', 'timed_out', 'out_of_memory', 'disqualified'}


def _run_plans(plans: Sequence['study.Plan'], host: hosts.Hosts | None) -> int:
  import rich.console

  from algoperf import progress, study

  screen = progress.Screen(rich.console.Console())
  try:
    with contextlib.closing(screen), _terminable():
      statuses = _statuses(plans, host, screen)
  except study.UnfinishedError as error:
    print(f'algoperf: {error}; the same command continues', file=sys.stderr)
    return EXIT_UNFINISHED
  for plan in plans:
    print(f'results: {os.path.relpath(plan.directory)}')
  return 0 if _BAD.isdisjoint(statuses) else 1


def _statuses(
  plans: Sequence['study.Plan'],
  host: hosts.Hosts | None,
  screen: 'progress_lib.Screen',
) -> list[str]:
  """Runs the trials, on this host or as one of several."""
  from algoperf import relay, study

  if host is None:
    return study.run(plans, screen)
  if host.index == 0:
    print(f'waiting for the other processes at {host.coordinator}')
    with contextlib.closing(relay.Leader(host)) as leader:
      return study.run(plans, screen, leader.announce)
  adapt = functools.partial(study.own_trial, plans, host.index)
  return study.follow(screen, relay.Follower(host).trials(adapt))
