"""What the subcommands do, from typed values; `cli` parses their flags.

Those that run trials are in `training`. Each function imports what it needs, so
that help and lists stay instant, and returns the exit status: 0, or 1 if
something was found wanting.
"""

from collections.abc import Iterable, Sequence
import functools
import gc
import pathlib
from typing import TYPE_CHECKING, Any

from algoperf import benchmark as benchmark_lib
from algoperf import spec

if TYPE_CHECKING:
  from algoperf import doctor as doctor_lib


def show_list(kinds: Sequence[str], benchmark: str) -> int:
  """Prints tables of what there is."""
  from algoperf import listing

  print(listing.show(kinds or listing.KINDS, benchmark))
  return 0


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
    among: a published board, more logs, or None.
    separate: two submissions of which to say how many studies would tell them
      apart, or none.
    output_dir: where tables and figures go.
    report_file: the HTML report to write.
    **options: as `scoring.score` takes them.
  """
  gc.disable()  # A tenth of the time, and little is ever freed.
  import scoring
  from scoring import report, sentences

  if benchmark is None:
    benchmark = _benchmark_of(among, ruleset)
  result = scoring.score(
    logs, benchmark, ruleset=ruleset, among=among, **options
  )
  apart = sentences.separation(result, separate) if separate else None
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
  from scoring import published

  if among is None or not published.is_board(among):
    return 'mini'
  return published.load(among, ruleset).benchmark


def new(name: str, *, directory: pathlib.Path, template: str) -> int:
  """Writes a submission that runs as it is."""
  from algoperf import scaffold

  folder = scaffold.create(name, directory, template)
  ruleset = ' --ruleset=self' if template == 'self_tuning' else ''
  print(
    f'created {folder}; try it:\n'
    f'  algoperf check {folder}\n'
    f'  algoperf run --workload=mnist_resnet --submission={folder}{ruleset}'
  )
  return 0


def prepare_data(names: Sequence[str], data_dir: str) -> int:
  """Makes the data sets of some workloads that are not there yet."""
  from workloads import registry

  for workload in [registry.get(name) for name in names]:
    if not workload.data_is_ready(data_dir):
      _prepare(workload, data_dir)
    print(f'{workload.name}: {_ready(workload, data_dir)}')
  return 0


def _ready(workload: spec.Workload, data_dir: str) -> str:
  """That the data are there, and whether all of them."""
  missing = workload.missing_examples(data_dir)
  return f'ready, but has only {missing}' if missing else 'ready'


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
    workload = registry.get(name)
    try:
      workload.check_data(data_dir)
      state = _ready(workload, data_dir)
    except spec.UsageError as error:
      missing, state = True, str(error)
    print(f'{name:{width}}  {state}')
  return 1 if missing else 0


def doctor(*, benchmark: str, data_dir: str) -> int:
  """Prints what was found, and for each problem what to do about it."""
  from algoperf import doctor as doctor_lib

  workloads = benchmark_lib.load(benchmark).base
  return _report(doctor_lib.examine(data_dir, workloads))


def check(
  submission: str, *, space: str | None, benchmark: str, dry_run: bool
) -> int:
  """Prints what a submission is, and what stands in its way."""
  from algoperf import inspection

  path = None if space is None else pathlib.Path(space)
  return _report(
    inspection.examine(submission, path, benchmark, dry_run=dry_run)
  )


def _report(findings: 'Iterable[doctor_lib.Finding]') -> int:
  problems = 0
  for finding in findings:
    mark = 'PROBLEM' if finding.advice else 'ok'
    print(f'{mark:8} {finding.what}: {finding.found}', flush=True)
    if finding.advice:
      problems += 1
      print(f'         → {finding.advice}')
  return 1 if problems else 0


def verify(runs: Sequence[str], data_dir: str) -> int:
  """Confirms results, or says what keeps them from being confirmed."""
  from algoperf import reevaluation, verification

  evaluate = reevaluation.Evaluator(data_dir)
  refused = 0
  for run in runs:
    for directory in verification.trials(pathlib.Path(run)):
      digests = verification.digests(directory)
      found = list(verification.problems(directory.absolute(), evaluate))
      verdict = 'REFUSED' if found else 'verified'
      print(f'{verdict:8} {directory}', flush=True)
      for problem in found:
        print(f'         {problem.kind}: {problem.message}', flush=True)
      try:
        verification.note(directory, found, digests)
      except OSError as error:  # Logs may be there to be read only.
        print(f'         not noted beside it: {error.strerror}', flush=True)
      refused += bool(found)
    for directory in verification.missing(pathlib.Path(run)):
      print(f'REFUSED  {directory}')
      print('         missing trial: the ledger tells of it, and it is gone')
      refused += 1
  return 1 if refused else 0
