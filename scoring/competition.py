"""Logs in, scores out: the whole procedure for one benchmark."""

from collections.abc import Iterable, Sequence
import os

from algoperf import benchmark as benchmark_lib
from scoring import (
  cells,
  checks,
  comparison,
  evidence,
  published,
  question,
  reading,
  studies,
)
from scoring.result import Result, Rows


def score(
  paths: str | os.PathLike[str] | reading.Paths,
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
  resamples: int = question.RESAMPLES,
  seed: int = 0,
) -> Result:
  """Scores the submissions whose logs are given.

  Args:
    paths: directories of any level of the layout, or archives (`layout.find`);
      none to see a published board as it is.
    benchmark: a name, the path of a definition, or one already loaded.
    ruleset: 'external' or 'self': how many trials and studies to expect.
    workloads: score over these (variants too) instead of all base workloads.
    as_published: apply the rules as AlgoPerf's own scorer does.
    by: 'time' or 'steps': what submissions are compared by.
    among: a published board whose submissions take part (`published.load`), or
      more logs, such as those of earlier versions.
    reference: the submission that speed-ups are relative to, instead of the
      one that the benchmark names.
    strict: refuse logs that depart from the rules, instead of warning.
    allow: what may differ between trials: 'hardware', 'definitions'.
    resamples: of the bootstrap over studies.
    seed: of the bootstrap.

  Returns:
    The result; what is missing or damaged is not reached, and has a warning.

  Raises:
    UsageError: no trials, an unknown benchmark, ruleset or workload, a workload
      whose target is not known, or trials that cannot be compared.
  """
  paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
  if among is not None and not published.is_board(among):
    paths, among = [*paths, among], None
  asked = question.ask(
    benchmark,
    ruleset=ruleset,
    workloads=workloads,
    as_published=as_published,
    by=by,
    among=among,
    reference=reference,
    strict=strict,
    allow=allow,
    resamples=resamples,
    seed=seed,
  )
  if among is not None and not paths:
    return answer(asked, reading.nothing())
  return answer(asked, reading.read(paths, asked.metrics))


def answer(asked: question.Question, read: reading.Reading) -> Result:
  """Scores the submissions whose logs were read, as `score` does."""
  rules, columns = asked.rules, asked.columns
  found = evidence.gather(asked, read)
  grouping = studies.Grouping.of(found.trials, columns.names)
  fewest = rules.study == 'fewest_evaluations'
  key = 'rounds' if fewest else studies.MEASURES[asked.by][0]
  told = [*found.notices]
  some = grouping.studies(key)
  told += checks.counts(some, asked.ruleset)
  if asked.strict:
    checks.strictly(told)
  if fewest:  # AlgoPerf's scorer does not know of studies without trials.
    some = [study for study in some if study.trials]
  some = [found.with_point(study) for study in some]
  board = None
  if asked.among is not None:
    board = published.load(asked.among, asked.ruleset.name)
    board.check(asked.benchmark, columns.names)
    told += checks.among(board, [m.hardware for m in found.machines])
    some = board.among(some, columns.names)
  reference = _reference(asked, some)
  compared = comparison.compare(asked, some, reference)
  return Result(
    benchmark=asked.benchmark,
    ruleset=asked.ruleset,
    rules=rules,
    by=asked.by,
    columns=columns,
    reference=reference,
    board=board,
    evidence=found,
    rows=Rows(
      **vars(compared),
      cells=cells.of_studies(some, found.trials, compared, asked),
      studies=some,
      differences=cells.differences(grouping, columns.names),
      notices=told,
    ),
  )


def _reference(
  asked: question.Question, some: Iterable[studies.Study]
) -> str | None:
  """The submission that speed-ups are relative to, if it takes part."""
  there = list(dict.fromkeys(study.submission for study in some))
  if asked.reference is not None:
    return question.one_of('reference submission', asked.reference, there)
  return asked.rules.reference if asked.rules.reference in there else None
