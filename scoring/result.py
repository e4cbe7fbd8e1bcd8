"""What scoring finds out: everything between the logs and the scores."""

import collections
from collections.abc import Sequence
import dataclasses
import functools
from typing import TYPE_CHECKING

from algoperf import benchmark as benchmark_lib
from scoring import (
  boards,
  comparison,
  notices,
  profiles,
  question,
  rows,
  statistics,
)
from scoring import cells as cells_lib
from scoring import evidence as evidence_lib
from scoring import studies as studies_lib

if TYPE_CHECKING:
  import numpy as np
  import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows(comparison.Comparison):
  """What was compared, and all that it rests on.

  Attributes:
    cells: by submission, in the order of the scores, and workload.
    studies: by submission, workload and study.
    differences: medians that AlgoPerf's own scorer may form otherwise.
    notices: what a reader should know.
  """

  cells: Sequence[cells_lib.Cell]
  studies: Sequence[studies_lib.Study]
  differences: Sequence[cells_lib.Difference]
  notices: Sequence[notices.Notice]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Result:
  """The scores of submissions that were compared, and what they rest on.

  Times are seconds of submission time, infinite where a target was not
  reached; it was reached in (last_miss, time]. Submissions are in the order of
  their scores wherever a table has a row for each. Intervals are for 95 %
  confidence, missing where there is a single study.

  Tables are data frames, made of `rows` when they are asked for.

  Attributes:
    benchmark: whose workloads and targets were used.
    ruleset: 'external' or 'self', with the numbers of studies and trials.
    rules: how times became scores; `benchmark.scoring`, or what replaced it.
    by: 'time' or 'steps': what was compared.
    columns: base workloads, which the score is a mean over, and held-out ones.
    reference: the submission that speed-ups are relative to, or None.
    board: the published board whose submissions take part, or None. They have
      no trials and no curves.
    evidence: what the logs say.
    rows: all tables, row by row.
  """

  benchmark: benchmark_lib.Benchmark
  ruleset: benchmark_lib.Ruleset
  rules: benchmark_lib.Scoring
  by: str
  columns: question.Columns
  reference: str | None
  board: boards.Board | None
  evidence: evidence_lib.Evidence
  rows: Rows

  @functools.cached_property
  def scores(self) -> 'pd.DataFrame':
    """Best first.

    Columns rank, submission, score, low, high, rank_low, rank_high; with a
    reference also speedup, speedup_low, speedup_high (geometric mean over base
    workloads) and bounded (workloads where it is only a bound); where results
    were verified also verified, and counting (of so many trials that count).
    """
    return rows.frame(statistics.Score, self.rows.scores, self.score_columns)

  @property
  def score_columns(self) -> tuple[str, ...]:
    """Those of `scores`."""
    hidden = () if self.reference is not None else statistics.SPEEDUPS
    if not self.has_verifications:
      hidden += ('verified', 'counting')
    names = rows.names(statistics.Score)
    return tuple(name for name in names if name not in hidden)

  @property
  def study_columns(self) -> tuple[str, ...]:
    """Those of `studies`."""
    if self.has_verifications:
      return (*studies_lib.COLUMNS, 'verification')
    return studies_lib.COLUMNS

  @property
  def has_verifications(self) -> bool:
    """Whether `algoperf verify` was run on any trial that counts."""
    return any(study.verification for study in self.rows.studies)

  @functools.cached_property
  def times(self) -> 'pd.DataFrame':
    """Medians over studies (of steps, if compared by step).

    A row a submission, a column a workload, held-out variants included.
    """
    return self._table(self.rows.medians_SxW, self.columns.names)

  @functools.cached_property
  def ratios(self) -> 'pd.DataFrame':
    """Times over the fastest, by the rules; base workloads only."""
    return self._table(self.rows.ratios_SxB, self.columns.workloads)

  def _table(
    self, values: 'np.ndarray', workloads: Sequence[str]
  ) -> 'pd.DataFrame':
    import pandas as pd

    return pd.DataFrame(
      values,
      index=pd.Index(self.rows.submissions, name='submission'),
      columns=pd.Index(workloads, name='workload'),
    )

  @functools.cached_property
  def profiles(self) -> 'pd.DataFrame':
    """Columns submission, tau, fraction: corners of right-continuous steps."""
    return rows.frame(profiles.Corner, self.rows.profiles)

  @functools.cached_property
  def cells(self) -> 'pd.DataFrame':
    """What each median rests on.

    Columns submission, workload, value (the median), its interval low and
    high, ratio, ratio_low, ratio_high, last_miss (that of the median: it lies
    in (last_miss, value]), and numbers: studies, trials, reached, missed,
    damaged, missing, diverged, failed, over_budget; and counts (does the
    median, by the rules?).
    """
    return rows.frame(cells_lib.Cell, self.rows.cells)

  @functools.cached_property
  def studies(self) -> 'pd.DataFrame':
    """The trial that counts in each study.

    Columns submission, workload, study, time, last_miss, step, last_miss_step,
    trial (the one that counts), trials, reached, hyperparameters (of that
    trial, as JSON); where results were verified also verification (of that
    trial: verified, refused or stale).
    """
    return rows.frame(studies_lib.Study, self.rows.studies, self.study_columns)

  @functools.cached_property
  def pairs(self) -> 'pd.DataFrame':
    """Which submissions can be told apart.

    Columns better, worse, difference (of scores), low, high, distinct (zero
    lies outside), studies_needed (how many more of each would tell the two
    apart, an estimate), adjacent (neighbours by score).
    """
    return rows.frame(statistics.Pair, self.rows.pairs)

  @property
  def neighbours(self) -> 'pd.DataFrame':
    """The pairs that follow each other by score."""
    return self.pairs[self.pairs['adjacent']]

  @functools.cached_property
  def differences(self) -> 'pd.DataFrame':
    """Medians that AlgoPerf's own scorer may form otherwise.

    Columns submission, workload, as_written, as_published, low, high.
    """
    return rows.frame(cells_lib.Difference, self.rows.differences)

  @functools.cached_property
  def warnings(self) -> 'pd.DataFrame':
    """Columns kind, message, submission, workload, study, trial, path, line."""
    return rows.frame(notices.Notice, self.rows.notices)

  @property
  def trials(self) -> 'pd.DataFrame':
    """A row a trial.

    Columns submission, workload, study, trial, time, last_miss, step,
    last_miss_step, status (reached, missed, damaged or missing), rounds (the
    evaluations to the target), best, evaluations, end_time, ended, diverged,
    failed, over_budget, path.
    """
    return self.evidence.frame

  @property
  def curves(self) -> 'pd.DataFrame':
    """Every evaluation: its trial, time and step, and the workload's metric.

    Columns submission, workload, study, trial, time, step, train, validation,
    test.
    """
    return self.evidence.curves

  @functools.cached_property
  def hardware(self) -> 'pd.DataFrame':
    """What it ran on: columns submission, hardware, trials."""
    return rows.frame(evidence_lib.Machine, self.evidence.machines)

  @functools.cached_property
  def leave_one_out(self) -> 'pd.DataFrame':
    """How far each score and rank moves without one of the workloads.

    Columns submission, left_out, score, change, rank, rank_change.
    """
    return rows.frame(statistics.LeftOut, self.left_out)

  @functools.cached_property
  def left_out(self) -> list[statistics.LeftOut]:
    """The rows of `leave_one_out`."""
    return statistics.leave_one_out(
      self.rows.submissions,
      self.rows.medians_SxW,
      self.columns,
      self.rules.max_ratio,
      self.rules.integral,
    )

  @property
  def workloads(self) -> tuple[str, ...]:
    """Names of the workloads that the score is a mean over."""
    return self.columns.workloads

  @property
  def fewest_studies(self) -> int:
    """Studies that intervals rest on at least; single ones give none."""
    numbers = collections.Counter(
      (study.submission, study.workload) for study in self.rows.studies
    )
    return min(number for number in numbers.values() if number > 1)

  @property
  def as_published(self) -> bool:
    """Whether the rules are those of AlgoPerf's own scorer."""
    return self.rules == self.rules.as_published()
