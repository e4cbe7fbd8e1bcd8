"""Tables of what there is, without importing any of it."""

from collections.abc import Iterable, Sequence

from algoperf import benchmark as benchmark_lib
from algoperf import sources, spec

KINDS = ('workloads', 'submissions', 'benchmarks')


def show(kinds: Sequence[str], benchmark: str) -> str:
  """The asked-for tables as text.

  Raises:
    UsageError: a kind or a benchmark that there is not.
  """
  for kind in kinds:
    if kind not in KINDS:
      raise spec.UsageError(
        f'cannot list {kind!r}: choose of {", ".join(KINDS)}.'
      )
  tables = {
    'workloads': lambda: _workloads(benchmark_lib.load(benchmark)),
    'submissions': _submissions,
    'benchmarks': _benchmarks,
  }
  return '\n\n'.join(tables[kind]() for kind in kinds)


def _workloads(benchmark: benchmark_lib.Benchmark) -> str:
  rows = [
    (
      f'  {row.name}' if row.variant_of else row.name,
      _role(row),
      row.goal.metric,
      f'{row.goal.comparison} {_target(row.goal.validation_target)}',
      _target(row.goal.test_target),
      f'{row.goal.max_runtime:g} s',
      f'{row.goal.eval_period:g} s',
      str(row.goal.step_hint),
      str(row.goal.batch_size),
    )
    for row in benchmark.workloads
  ]
  header = (
    'workload',
    'role',
    'metric',
    'target',
    'test target',
    'budget',
    'evaluated every',
    'step hint',
    'batch',
  )
  return f'benchmark {benchmark.name}\n' + _table(header, rows)


def _role(row: benchmark_lib.WorkloadRow) -> str:
  if row.variant_of is None:
    return 'base'
  return 'held-out' if row.held_out else 'variant'


def _target(value: float | None) -> str:
  return 'not set' if value is None else f'{value:g}'


def _submissions() -> str:
  rows = []
  for name in sources.names():
    source = sources.locate(name)
    rows.append((name, sources.summary(source)))
  return _table(('submission', 'what it is'), rows)


def _benchmarks() -> str:
  rows = []
  for name in benchmark_lib.available():
    benchmark = benchmark_lib.load(name)
    rows.append((name, str(len(benchmark.workloads)), benchmark.description))
  return _table(('benchmark', 'workloads', 'what it is'), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  rows = [header, *rows]
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return '\n'.join(
    '  '.join(
      cell.ljust(width) for cell, width in zip(row, widths, strict=True)
    ).rstrip()
    for row in rows
  )
