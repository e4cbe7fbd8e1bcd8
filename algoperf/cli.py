"""The command line: reads flags and environment, hands on typed values."""

from collections.abc import Callable, Sequence
import dataclasses
import os
import pathlib
import sys

from absl import flags

from algoperf import benchmark as benchmark_lib
from algoperf import spec

_USAGE = 'usage: algoperf COMMAND [--flag=value …]'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
  """One subcommand: its words, its flags and what it does."""

  summary: str
  arguments: str
  define: Callable[[flags.FlagValues], None]
  run: Callable[[flags.FlagValues, list[str]], int]


def entry() -> None:
  """The console script."""
  sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
  """Runs one command; the exit status: 0, 1 (trials failed) or 2 (bad input).

  After Ctrl-C it is 130, and the same command goes on.
  """
  try:
    return _dispatch(list(arguments))
  except spec.UsageError as error:
    print(f'algoperf: {error}', file=sys.stderr)
    return 2
  except flags.Error as error:
    text = ' '.join(str(error).split())
    print(
      f'algoperf: {text} (see algoperf {arguments[0]} --help)', file=sys.stderr
    )
    return 2
  except KeyboardInterrupt:
    print('algoperf: interrupted; the same command continues', file=sys.stderr)
    return 130
  except BrokenPipeError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _dispatch(arguments: list[str]) -> int:
  if not arguments or arguments[0] in ('help', '--help', '-h'):
    print(_overview())
    return 0
  name, *rest = arguments
  if name not in COMMANDS:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f'did you mean {near[0]!r}? ' if near else ''
    raise spec.UsageError(
      f'no command {name!r}: {hint}commands are {", ".join(COMMANDS)}.'
    )
  command = COMMANDS[name]
  values = flags.FlagValues()
  command.define(values)
  if '--help' in rest or '-h' in rest:
    print(_help(name, command, values))
    return 0
  positional = values([name, *rest])[1:]
  return command.run(values, positional)


def _overview() -> str:
  width = max(map(len, COMMANDS))
  lines = [f'  {name:{width}}  {c.summary}' for name, c in COMMANDS.items()]
  return '\n'.join(
    [_USAGE, '', *lines, '', 'algoperf COMMAND --help shows the flags of one.']
  )


def _help(name: str, command: Command, values: flags.FlagValues) -> str:
  lines = [
    f'usage: algoperf {name} {command.arguments}'.rstrip(),
    '',
    command.summary,
  ]
  for flag in values.get_flags_for_module(sys.argv[0]) or _all_flags(values):
    default = '' if flag.default is None else f' (default {flag.default})'
    lines += ['', f'  --{flag.name}', f'      {flag.help}{default}']
  return '\n'.join(lines)


def _all_flags(values: flags.FlagValues) -> list[flags.Flag]:
  return [values[name] for name in values]


def _default_data_dir() -> str:
  cache = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  return str(pathlib.Path(cache).expanduser() / 'algoperf')


def _string(
  values: flags.FlagValues, name: str, default: str | None, text: str
) -> None:
  flags.DEFINE_string(name, default, text, flag_values=values)


def _number(values: flags.FlagValues, name: str, text: str) -> None:
  flags.DEFINE_integer(name, None, text, flag_values=values, lower_bound=0)


# Flags that several commands share.


def _define_benchmark(values: flags.FlagValues) -> None:
  _string(values, 'benchmark', 'mini', 'definition: a name or a TOML file')


def _define_data(values: flags.FlagValues) -> None:
  _string(
    values, 'data_dir', None, 'where data sets are (default: the user cache)'
  )


def _define_ruleset(values: flags.FlagValues) -> None:
  flags.DEFINE_enum(
    'ruleset',
    'external',
    benchmark_lib.RULESETS,
    'external: tuned by trials over a search space; self: no tuning',
    flag_values=values,
  )


def _define_trials(values: flags.FlagValues) -> None:
  _define_benchmark(values)
  _define_data(values)
  _define_ruleset(values)
  _number(values, 'num_tuning_trials', 'trials in each study')
  _number(values, 'num_studies', 'repetitions of the whole tuning')
  _number(values, 'seed', 'of the experiment (default: drawn once and kept)')
  _number(values, 'max_steps', 'end trials after so many steps')
  _string(values, 'experiment_dir', 'experiments', 'where results go')


def _define_list(values: flags.FlagValues) -> None:
  _string(values, 'benchmark', 'mini', 'whose workloads to list')


def _define_run(values: flags.FlagValues) -> None:
  _string(values, 'workload', None, 'name of the workload')
  _string(values, 'submission', None, 'a name, a .py file or a folder')
  _string(
    values,
    'tuning_search_space',
    None,
    'JSON file (default: the one beside the submission)',
  )
  _string(
    values, 'experiment_name', None, 'default: the name of the submission'
  )
  _define_trials(values)


def _define_bench(values: flags.FlagValues) -> None:
  flags.DEFINE_list(
    'submissions', [], 'names, .py files or folders', flag_values=values
  )
  flags.DEFINE_list(
    'workloads',
    [],
    'only these (default: all that the benchmark scores)',
    flag_values=values,
  )
  _define_trials(values)


def _define_score(values: flags.FlagValues) -> None:
  _define_benchmark(values)
  _define_ruleset(values)
  _string(values, 'output_dir', None, 'where tables and plots go')
  flags.DEFINE_list(
    'workloads',
    [],
    'score only these base workloads (default: all)',
    flag_values=values,
  )


def _define_new(values: flags.FlagValues) -> None:
  flags.DEFINE_enum(
    'template',
    'optax',
    ['optax', 'full'],
    'optax: five lines; full: all functions of the contract',
    flag_values=values,
  )
  _string(values, 'dir', '.', 'where to create its folder')


def _define_doctor(values: flags.FlagValues) -> None:
  _define_benchmark(values)
  _define_data(values)


# What the commands do. Each imports what it needs: help must stay instant.


def _run_list(values: flags.FlagValues, arguments: list[str]) -> int:
  from algoperf import listing

  kinds = arguments or ['workloads', 'submissions', 'benchmarks']
  print(listing.show(kinds, values.benchmark))
  return 0


def _run_run(values: flags.FlagValues, arguments: list[str]) -> int:
  _no_arguments(arguments)
  workload = _required(values, 'workload')
  submission = _required(values, 'submission')
  benchmark = benchmark_lib.load(values.benchmark)
  benchmark.row(workload)  # Refuses an unknown one.
  return _run_plans(
    [
      _plan(
        values,
        benchmark,
        submission,
        (workload,),
        search_space=values.tuning_search_space,
        name=values.experiment_name,
        trials=1,
        studies=1,
      )
    ]
  )


def _run_bench(values: flags.FlagValues, arguments: list[str]) -> int:
  _no_arguments(arguments)
  benchmark = benchmark_lib.load(values.benchmark)
  workloads = tuple(values.workloads) or benchmark.scored
  for workload in workloads:
    benchmark.row(workload)
  ruleset = benchmark.rulesets[values.ruleset]
  return _run_plans(
    [
      _plan(
        values,
        benchmark,
        submission,
        workloads,
        search_space=None,
        name=None,
        trials=ruleset.trials,
        studies=ruleset.studies,
      )
      for submission in _required(values, 'submissions')
    ]
  )


def _plan(
  values: flags.FlagValues,
  benchmark: benchmark_lib.Benchmark,
  submission: str,
  workloads: tuple[str, ...],
  *,
  search_space: str | None,
  name: str | None,
  trials: int,
  studies: int,
):  # A study.Plan; naming the type would import it.
  from algoperf import study
  from algoperf import submission as submission_lib

  source = submission_lib.locate(submission)
  submission_lib.check(source)
  directory = pathlib.Path(values.experiment_dir).expanduser().absolute()
  directory /= name or source.name
  study.check_writable(directory)
  plan = study.Plan(
    benchmark=benchmark,
    benchmark_path=_absolute(values.benchmark),
    source=source,
    workloads=workloads,
    ruleset=values.ruleset,
    search_space=_search_space(values.ruleset, search_space, source),
    trials=_count(values, 'num_tuning_trials', trials),
    studies=_count(values, 'num_studies', studies),
    seed=study.experiment_seed(directory, values.seed),
    max_steps=_count(values, 'max_steps', None),
    data_dir=_absolute(values.data_dir or _default_data_dir(), always=True),
    directory=directory,
  )
  list(plan.specs())  # Refuses a malformed search space.
  return plan


def _search_space(ruleset: str, asked: str | None, source):
  """The search space's file; None in self-tuning, or where there is none."""
  if ruleset == 'self':
    if asked:
      raise spec.UsageError(
        '--ruleset=self has no tuning: leave out --tuning_search_space.'
      )
    return None
  return pathlib.Path(asked) if asked else source.search_space


def _run_plans(plans: list) -> int:
  import rich.console

  from algoperf import progress, study

  screen = progress.Screen(rich.console.Console())
  try:
    statuses = study.run(plans, screen)
  finally:
    screen.close()
  for plan in plans:
    print(f'results: {os.path.relpath(plan.directory)}')
  return 1 if 'failed' in statuses or 'timed_out' in statuses else 0


def _run_score(values: flags.FlagValues, arguments: list[str]) -> int:
  if not arguments:
    raise spec.UsageError(
      'score needs logs: algoperf score experiments --benchmark=mini'
    )
  import scoring
  from scoring import plots, report

  result = scoring.score(
    arguments,
    benchmark_lib.load(values.benchmark),
    ruleset=values.ruleset,
    workloads=values.workloads or None,
  )
  report.show(result)
  if values.output_dir:
    directory = _absolute(values.output_dir, always=True)
    for path in (
      *report.write(result, directory),
      *plots.write(result, directory),
    ):
      print(f'wrote {os.path.relpath(path)}')
  return 0


def _run_new(values: flags.FlagValues, arguments: list[str]) -> int:
  if len(arguments) != 1:
    raise spec.UsageError('new needs one name: algoperf new my_optimizer')
  from algoperf import scaffold

  folder = scaffold.create(
    arguments[0], pathlib.Path(values.dir), values.template
  )
  print(
    f'created {folder}; try it:\n'
    f'  algoperf run --workload=mnist_resnet --submission={folder}'
  )
  return 0


def _run_doctor(values: flags.FlagValues, arguments: list[str]) -> int:
  _no_arguments(arguments)
  from algoperf import doctor

  benchmark = benchmark_lib.load(values.benchmark)
  data_dir = _absolute(values.data_dir or _default_data_dir(), always=True)
  problems = 0
  for finding in doctor.examine(data_dir, benchmark.base):
    mark = 'PROBLEM' if finding.advice else 'ok'
    print(f'{mark:8} {finding.what}: {finding.found}')
    if finding.advice:
      problems += 1
      print(f'         → {finding.advice}')
  return 1 if problems else 0


def _required(values: flags.FlagValues, name: str):
  value = values[name].value
  if not value:
    raise spec.UsageError(f'--{name} is required.')
  return value


def _count(values: flags.FlagValues, name: str, default: int | None):
  value = values[name].value
  if value is None:
    return default
  if value < 1:
    raise spec.UsageError(f'--{name}={value}: must be at least 1.')
  return value


def _absolute(path: str, always: bool = False) -> str:
  """An absolute path, unless it is the name of a definition."""
  if always or path.endswith('.toml'):
    return str(pathlib.Path(path).expanduser().absolute())
  return path


def _no_arguments(arguments: list[str]) -> None:
  if arguments:
    raise spec.UsageError(
      f'unexpected argument {arguments[0]!r}: flags are --name=value.'
    )


COMMANDS = {
  'list': Command(
    summary='workloads, submissions and benchmarks that there are',
    arguments='[workloads | submissions | benchmarks] [--benchmark=mini]',
    define=_define_list,
    run=_run_list,
  ),
  'run': Command(
    summary='train one workload with one submission, and time it',
    arguments='--workload=NAME --submission=NAME_OR_PATH',
    define=_define_run,
    run=_run_run,
  ),
  'bench': Command(
    summary='run a whole benchmark: the trials that are missing',
    arguments='--submissions=NAME,… [--benchmark=mini]',
    define=_define_bench,
    run=_run_bench,
  ),
  'score': Command(
    summary='logs in, scores out: times, profiles, scores, plots',
    arguments='LOGS … [--benchmark=mini] [--output_dir=DIR]',
    define=_define_score,
    run=_run_score,
  ),
  'new': Command(
    summary='create a submission that runs as it is',
    arguments='NAME [--template=optax]',
    define=_define_new,
    run=_run_new,
  ),
  'doctor': Command(
    summary='is this machine ready, and if not, what to do',
    arguments='[--benchmark=mini]',
    define=_define_doctor,
    run=_run_doctor,
  ),
}
