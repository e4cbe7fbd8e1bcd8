"""What is to be scored, and how: options that were checked. Imports fast."""

from collections.abc import Container, Iterable, Mapping, Sequence
import dataclasses
import os

from algoperf import benchmark as benchmark_lib
from algoperf import checked_toml, spec

MEASURES = ('time', 'steps')  # What submissions can be compared by.
MIXABLE = ('hardware', 'definitions')  # What may differ if it is allowed.
RESAMPLES = 2000  # Of the bootstrap.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Columns:
  """The workloads that times are given for, in order.

  Attributes:
    workloads: base workloads; the score is a mean over them.
    variants: held-out variants that take part, after the base workloads.
    held_out: for each variant, its column and that of its base workload.
  """

  workloads: tuple[str, ...]
  variants: tuple[str, ...] = ()
  held_out: tuple[tuple[int, int], ...] = ()

  @property
  def names(self) -> tuple[str, ...]:
    return (*self.workloads, *self.variants)

  def without(self, workload: str) -> 'Columns':
    """These columns without a base workload and its variants."""
    gone = self.workloads.index(workload)
    pairs = [
      (name, self.workloads[base])
      for name, (_, base) in zip(self.variants, self.held_out, strict=True)
      if base != gone
    ]
    left = tuple(name for name in self.workloads if name != workload)
    return Columns.of(left, dict(pairs))

  @classmethod
  def of(
    cls, workloads: tuple[str, ...], held_out: dict[str, str]
  ) -> 'Columns':
    """Columns of base workloads and of held-out variants, given with bases."""
    pairs = enumerate(held_out.values(), start=len(workloads))
    return cls(
      workloads=workloads,
      variants=tuple(held_out),
      held_out=tuple((i, workloads.index(base)) for i, base in pairs),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
  """The options of `scoring.score`, checked.

  Attributes:
    benchmark: whose workloads and targets are used.
    ruleset: 'external' or 'self', with the numbers of studies and trials.
    rules: how times become scores.
    by: what submissions are compared by, of MEASURES.
    columns: the workloads.
    goals: of these, by name.
    among: a published board, or None.
    reference: the submission that speed-ups are relative to, if one was named.
    strict: whether logs that depart from the rules are refused.
    allow: what of MIXABLE may differ between trials.
    resamples: of the bootstrap.
    seed: of the bootstrap.
  """

  benchmark: benchmark_lib.Benchmark
  ruleset: benchmark_lib.Ruleset
  rules: benchmark_lib.Scoring
  by: str
  columns: Columns
  goals: Mapping[str, spec.Goal]
  among: str | os.PathLike[str] | None
  reference: str | None
  strict: bool
  allow: Container[str]
  resamples: int
  seed: int

  @property
  def metrics(self) -> dict[str, str]:
    """The metric of each workload."""
    return {name: goal.metric for name, goal in self.goals.items()}

  @property
  def limits(self) -> dict[str, float]:
    """What a workload may take: its budget, or the steps that should hold."""
    return {
      name: self.ruleset.budget_factor
      * (goal.max_runtime if self.by == 'time' else goal.step_hint)
      for name, goal in self.goals.items()
    }


def ask(
  benchmark: str | os.PathLike[str] | benchmark_lib.Benchmark,
  *,
  ruleset: str = 'external',
  workloads: Sequence[str] | None = None,
  as_published: bool = False,
  by: str = 'time',
  among: str | os.PathLike[str] | None = None,
  reference: str | None = None,
  strict: bool = False,
  allow: Sequence[str] = (),
  resamples: int = RESAMPLES,
  seed: int = 0,
) -> Question:
  """Checks options, which are described at `scoring.score`.

  Raises:
    UsageError: an unknown benchmark, ruleset or workload, a workload whose
      target is not known, or options that exclude each other.
  """
  if not isinstance(benchmark, benchmark_lib.Benchmark):
    benchmark = benchmark_lib.load(benchmark)
  one_of('ruleset', ruleset, benchmark.rulesets)
  one_of('measure', by, MEASURES)
  for name in allow:
    if name not in MIXABLE:
      raise spec.UsageError(f'--allow takes {", ".join(MIXABLE)}; not {name!r}')
  _check_board(as_published, by, among)
  rules = benchmark.scoring
  if as_published:
    rules = rules.as_published()
  columns = _columns(benchmark, tuple(workloads or benchmark.base), rules)
  return Question(
    benchmark=benchmark,
    ruleset=benchmark.rulesets[ruleset],
    rules=rules,
    by=by,
    columns=columns,
    goals=_goals(benchmark, columns.names),
    among=among,
    reference=reference,
    strict=strict,
    allow=allow,
    resamples=resamples,
    seed=seed,
  )


def one_of(what: str, name: str, known: Iterable[str]) -> str:
  """The name, if it is known.

  Raises:
    UsageError: it is not; names the nearest.
  """
  if name not in known:
    hint = checked_toml.suggest(name, known)
    raise spec.UsageError(f'unknown {what} {name!r}: {hint}')
  return name


def _check_board(
  as_published: bool, by: str, among: str | os.PathLike[str] | None
) -> None:
  if as_published and (by != 'time' or among is not None):
    other = '--among' if among is not None else f'--by={by}'
    raise spec.UsageError(
      f'--as_published needs times and logs, so it cannot go with {other}'
    )
  if among is not None and by != 'time':
    raise spec.UsageError(
      'boards hold the steps of the trials with the least time, not the least '
      f'steps, so --among cannot go with --by={by}'
    )


def _columns(
  benchmark: benchmark_lib.Benchmark,
  workloads: tuple[str, ...],
  rules: benchmark_lib.Scoring,
) -> Columns:
  """The workloads to be scored, and their held-out variants."""
  held_out = {
    row.name: row.variant_of
    for row in benchmark.workloads
    if rules.held_out != 'none'
    if row.held_out and row.variant_of in workloads
    if row.name not in workloads
  }
  return Columns.of(workloads, held_out)


def _goals(
  benchmark: benchmark_lib.Benchmark, workloads: Iterable[str]
) -> dict[str, spec.Goal]:
  """Goals by workload.

  Raises:
    UsageError: a workload that is unknown, or has no validation target.
  """
  goals = {name: benchmark.row(name).goal for name in workloads}
  for name, goal in goals.items():
    if goal.validation_target is None:
      raise spec.UsageError(
        f'workload {name!r} has no validation_target in benchmark '
        f'{benchmark.name!r}, so it cannot be scored: leave it out, or let '
        f'scripts/set_targets set one'
      )
  return goals
