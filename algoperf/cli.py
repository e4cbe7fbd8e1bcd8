"""The command line: reads flags and environment, hands on typed values."""

from collections.abc import Callable, Sequence
import dataclasses
import difflib
import gc
import os
import pathlib
import sys
from typing import Any

from absl import flags

from algoperf import command_flags, commands, hosts, spec, training
from algoperf.command_flags import Values

_USAGE = 'usage: algoperf COMMAND [--flag=value …]'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
  """One subcommand: its words, its flags and what it does."""

  summary: str
  arguments: str
  define: Callable[[Values], None]
  run: Callable[[Values, list[str]], int]


def entry() -> None:
  """The console script."""
  status = main(sys.argv[1:])
  gc.freeze()  # Measured: a last search for garbage costs scoring a tenth.
  sys.exit(status)


def main(arguments: Sequence[str]) -> int:
  """Runs one command; the exit status: 0, 1 (trials failed) or 2 (bad input).

  After Ctrl-C it is 130, after SIGTERM 143, and 75 if a trial had to stop, such
  as of a full disk; after these three the same command goes on.
  """
  try:
    return _dispatch(list(arguments))
  except (spec.UsageError, flags.Error) as error:
    print(f'algoperf: {" ".join(str(error).split())}', file=sys.stderr)
    return 2
  except KeyboardInterrupt as error:
    terminated = isinstance(error, training.TerminatedError)
    what = 'terminated' if terminated else 'interrupted'
    print(f'algoperf: {what}; the same command continues', file=sys.stderr)
    return 143 if terminated else 130
  except BrokenPipeError:  # Whoever read our output has gone.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _dispatch(arguments: list[str]) -> int:
  if not arguments or arguments[0] in ('help', '--help', '-h'):
    print(_overview())
    return 0
  name, *rest = arguments
  if name not in COMMANDS:
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
  return command.run(values, values([name, *rest])[1:])


def _overview() -> str:
  width = max(map(len, COMMANDS))
  lines = [f'  {name:{width}}  {c.summary}' for name, c in COMMANDS.items()]
  return '\n'.join(
    [_USAGE, '', *lines, '', 'algoperf COMMAND --help shows the flags of one.']
  )


def _help(name: str, command: Command, values: Values) -> str:
  usage = f'usage: algoperf {name} {command.arguments}'.rstrip()
  lines = [usage, '', command.summary, '']
  for flag in (values[name] for name in values):
    default = f' (default: {flag.default})' if flag.default else ''
    lines += [f'  --{flag.name}', f'      {flag.help}{default}']
  return '\n'.join(lines)


# From flags to typed values.


def _trial_options(values: Values) -> training.TrialOptions:
  return training.TrialOptions(
    benchmark=_benchmark(values),
    data_dir=_data_dir(values),
    experiment_dir=_absolute(values.experiment_dir),
    ruleset=values.ruleset,
    tuning_search_space=values.tuning_search_space,
    num_tuning_trials=values.num_tuning_trials,
    num_studies=values.num_studies,
    seed=values.seed,
    max_steps=values.max_steps,
    checkpoint_minutes=values.checkpoint_minutes,
    stop_when_beaten=values.stop_when_beaten,
    hardware=values.hardware,
    xla_flags=os.environ.get('XLA_FLAGS', ''),
    host=_host(values),
  )


def _host(values: Values) -> hosts.Hosts | None:
  names = ('coordinator', 'num_processes', 'process_index')
  given = [name for name in names if values[name].value is not None]
  if given and len(given) < len(names):
    raise spec.UsageError(
      f'--{given[0]} needs the others: several hosts take --coordinator, '
      '--num_processes and --process_index.'
    )
  if not given or values.num_processes == 1:
    return None
  return hosts.Hosts(
    coordinator=values.coordinator,
    processes=values.num_processes,
    index=values.process_index,
  )


def _run(values: Values, arguments: list[str]) -> int:
  _no_arguments(arguments)
  return training.run(
    _trial_options(values),
    workload=_required(values, 'workload'),
    submission=_required(values, 'submission'),
    experiment_name=values.experiment_name,
  )


def _bench(values: Values, arguments: list[str]) -> int:
  _no_arguments(arguments)
  return training.bench(
    _trial_options(values),
    submissions=_required(values, 'submissions'),
    workloads=values.workloads,
  )


def _score(values: Values, arguments: list[str]) -> int:
  if not arguments and not values.among:
    raise spec.UsageError(
      'score needs logs: algoperf score experiments --benchmark=mini; or a '
      'board: algoperf score --among=mini'
    )
  return commands.score(
    arguments,
    _benchmark(values) if values.benchmark else None,
    separate=values.separate,
    output_dir=values.output_dir,
    report_file=values.report,
    ruleset=values.ruleset,
    workloads=values.workloads or None,
    by=values.by,
    among=values.among,
    as_published=values.as_published,
    reference=values.reference,
    strict=values.strict,
    allow=values.allow,
  )


def _new(values: Values, arguments: list[str]) -> int:
  if len(arguments) != 1:
    raise spec.UsageError('new needs one name: algoperf new my_optimizer')
  return commands.new(
    arguments[0], directory=pathlib.Path(values.dir), template=values.template
  )


def _check(values: Values, arguments: list[str]) -> int:
  if len(arguments) != 1:
    raise spec.UsageError('check needs one submission: algoperf check sgd.py')
  return commands.check(
    arguments[0],
    space=values.tuning_search_space,
    benchmark=_benchmark(values),
    dry_run=not values.no_dry_run,
  )


def _data(values: Values, arguments: list[str]) -> int:
  action, *names = arguments or ['']
  if action == 'prepare' and names:
    return commands.prepare_data(names, _data_dir(values))
  if action == 'status':
    return commands.data_status(names, _data_dir(values))
  raise spec.UsageError(
    'data takes `prepare WORKLOAD …` or `status [WORKLOAD …]`.'
  )


def _verify(values: Values, arguments: list[str]) -> int:
  if not arguments:
    raise spec.UsageError(
      'verify what? e.g. algoperf verify experiments/nadamw'
    )
  return commands.verify(arguments, _data_dir(values))


def _doctor(values: Values, arguments: list[str]) -> int:
  _no_arguments(arguments)
  return commands.doctor(
    benchmark=_benchmark(values), data_dir=_data_dir(values)
  )


def _benchmark(values: Values) -> str:
  """A name as it is, a file as an absolute path."""
  name = values.benchmark
  return str(_absolute(name)) if name.endswith('.toml') else name


def _data_dir(values: Values) -> str:
  cache = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  return str(_absolute(values.data_dir or os.path.join(cache, 'algoperf')))


def _absolute(path: str) -> pathlib.Path:
  return pathlib.Path(path).expanduser().absolute()


def _required(values: Values, name: str) -> Any:
  value = values[name].value
  if not value:
    raise spec.UsageError(f'--{name} is required.')
  return value


def _no_arguments(arguments: list[str]) -> None:
  if arguments:
    raise spec.UsageError(
      f'unexpected argument {arguments[0]!r}: flags are --name=value.'
    )


COMMANDS = {
  'list': Command(
    summary='workloads, submissions and benchmarks that there are',
    arguments='[workloads | submissions | benchmarks] [--benchmark=mini]',
    define=command_flags.benchmark,
    run=lambda values, kinds: commands.show_list(kinds, _benchmark(values)),
  ),
  'run': Command(
    summary='train one workload with one submission, and time it',
    arguments='--workload=NAME --submission=NAME_OR_PATH',
    define=command_flags.run,
    run=_run,
  ),
  'bench': Command(
    summary='run a whole benchmark: the trials that are missing',
    arguments='--submissions=NAME,… [--benchmark=mini]',
    define=command_flags.bench,
    run=_bench,
  ),
  'score': Command(
    summary='logs in, scores out: times, profiles, scores, figures',
    arguments='[LOGS …] [--among=BOARD] [--report=FILE.html]',
    define=command_flags.score,
    run=_score,
  ),
  'verify': Command(
    summary='evaluate what reached its target again, and check its records',
    arguments='RUN …',
    define=command_flags.data,
    run=_verify,
  ),
  'new': Command(
    summary='create a submission that runs as it is',
    arguments='NAME [--template=optax]',
    define=command_flags.new,
    run=_new,
  ),
  'check': Command(
    summary='does a submission keep the rules, and does it run: three steps',
    arguments='NAME_OR_PATH [--no_dry_run]',
    define=command_flags.check,
    run=_check,
  ),
  'data': Command(
    summary='make the data of a workload, or say what is there',
    arguments='prepare WORKLOAD … | status [WORKLOAD …]',
    define=command_flags.data,
    run=_data,
  ),
  'doctor': Command(
    summary='is this machine ready, and if not, what to do',
    arguments='[--benchmark=mini]',
    define=command_flags.doctor,
    run=_doctor,
  ),
}
