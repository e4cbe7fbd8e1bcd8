"""The flags of each command, defined where `cli` asks for them."""

from collections.abc import Sequence

from absl import flags

from algoperf import benchmark as benchmark_lib
from algoperf.scaffold import TEMPLATES

Values = flags.FlagValues


def _string(values: Values, name: str, default: str | None, text: str) -> None:
  flags.DEFINE_string(name, default, text, flag_values=values)


def _list(values: Values, name: str, text: str) -> None:
  flags.DEFINE_list(name, [], text, flag_values=values)


def _choice(
  values: Values, name: str, choices: Sequence[str], text: str
) -> None:
  flags.DEFINE_enum(name, choices[0], choices, text, flag_values=values)


def _switch(values: Values, name: str, text: str) -> None:
  flags.DEFINE_boolean(name, False, text, flag_values=values)


def _number(values: Values, name: str, least: int, text: str) -> None:
  flags.DEFINE_integer(name, None, text, flag_values=values, lower_bound=least)


def benchmark(values: Values) -> None:
  _string(values, 'benchmark', 'mini', 'definition: a name or a TOML file')


def data(values: Values) -> None:
  text = 'where data sets are (default: the user cache)'
  _string(values, 'data_dir', None, text)


def ruleset(values: Values) -> None:
  text = 'external: tuned by trials over a search space; self: no tuning'
  _choice(values, 'ruleset', benchmark_lib.RULESETS, text)


def trials(values: Values) -> None:
  benchmark(values)
  data(values)
  ruleset(values)
  text = 'JSON file (default: the one beside the submission)'
  _string(values, 'tuning_search_space', None, text)
  _number(values, 'num_tuning_trials', 1, 'trials in each study')
  _number(values, 'num_studies', 1, 'repetitions of the whole tuning')
  text = 'of the experiment (default: drawn once and kept)'
  _number(values, 'seed', 0, text)
  _number(values, 'max_steps', 1, 'end trials after so many steps')
  text = 'end a trial that has taken as long as the best one of its study'
  _switch(values, 'stop_when_beaten', text)
  text = 'between checkpoints, besides those at evaluations'
  flags.DEFINE_float(
    'checkpoint_minutes', 10.0, text, flag_values=values, lower_bound=0.0
  )
  _string(values, 'experiment_dir', 'experiments', 'where results go')
  text = 'what the machine must be: a profile, such as 1xh200; auto: any'
  _string(values, 'hardware', 'auto', text)
  hosts(values)


def hosts(values: Values) -> None:
  text = 'ADDRESS:PORT of the first host, if trials take several hosts'
  _string(values, 'coordinator', None, text)
  _number(values, 'num_processes', 1, 'how many hosts, a process on each')
  _number(values, 'process_index', 0, 'which of them this is; the first is 0')


def run(values: Values) -> None:
  _string(values, 'workload', None, 'name of the workload')
  _string(values, 'submission', None, 'a name, a .py file or a folder')
  text = 'default: the name of the submission'
  _string(values, 'experiment_name', None, text)
  trials(values)


def bench(values: Values) -> None:
  text = 'names, .py files or folders; all: every one that comes along'
  _list(values, 'submissions', text)
  text = 'only these (default: all that the benchmark scores)'
  _list(values, 'workloads', text)
  trials(values)


def score(values: Values) -> None:
  text = 'a name or a TOML file (default: that of --among, or mini)'
  _string(values, 'benchmark', None, text)
  ruleset(values)
  _list(values, 'workloads', 'score only these (default: all base workloads)')
  _choice(values, 'by', ('time', 'steps'), 'what submissions are compared by')
  text = 'rank among a board (mini, algoperf-0.5, a CSV file), or earlier logs'
  _string(values, 'among', None, text)
  text = 'fewest evaluations and a 100-point integral, as AlgoPerf’s scorer'
  _switch(values, 'as_published', text)
  text = 'submission that speed-ups are relative to (default: the benchmark’s)'
  _string(values, 'reference', None, text)
  text = 'two submissions: how many more studies would tell them apart?'
  _list(values, 'separate', text)
  _switch(values, 'strict', 'refuse logs that are not complete and in order')
  text = 'compare in spite of different: hardware, definitions'
  _list(values, 'allow', text)
  _string(values, 'output_dir', None, 'where tables and figures go')
  _string(values, 'report', None, 'one HTML file with everything')


def new(values: Values) -> None:
  text = '; '.join(f'{name} ({what})' for name, what in TEMPLATES.items())
  _choice(values, 'template', tuple(TEMPLATES), text)
  _string(values, 'dir', '.', 'where to create its folder')


def check(values: Values) -> None:
  benchmark(values)
  text = 'JSON file (default: the one beside the submission)'
  _string(values, 'tuning_search_space', None, text)
  text = 'only read the source: run none of it'
  _switch(values, 'no_dry_run', text)


def doctor(values: Values) -> None:
  benchmark(values)
  data(values)
