"""What scoring finds out: everything between the logs and the scores."""

import dataclasses
import functools

import pandas as pd

from algoperf import benchmark as benchmark_lib
from scoring import evidence as evidence_lib
from scoring import published, question, statistics


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
  """The scores of submissions that were compared, and what they rest on.

  Times are seconds of submission time, infinite where a target was not
  reached; it was reached in (last_miss, time]. Submissions are in the order of
  their scores wherever a frame has a row for each. Intervals are for 95 %
  confidence, missing where there is a single study.

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
    scores: rank, submission, score, low, high, rank_low, rank_high; with a
      reference also speedup, speedup_low, speedup_high (geometric mean over
      base workloads) and bounded (workloads where it is only a bound).
    times: medians over studies (of steps, if compared by step); a row a
      submission, a column a workload, held-out variants included.
    ratios: times over the fastest, by the rules; base workloads only.
    profiles: submission, tau, fraction: corners of right-continuous steps.
    cells: submission, workload, value (the median), its interval low and high,
      last_miss (that of the median: it lies in (last_miss, value]), ratio,
      ratio_low, ratio_high, counts (is the ratio finite?), and numbers:
      studies, trials, reached, missed, damaged, missing, diverged, failed,
      over_budget.
    studies: submission, workload, study, time, last_miss, step,
      last_miss_step, trial (the one that counts), trials, reached,
      hyperparameters (of that trial, as JSON).
    pairs: better, worse, difference (of scores), low, high, distinct (zero lies
      outside), studies_needed (how many more of each would tell the two apart,
      an estimate), adjacent (neighbours by score).
    differences: submission, workload, as_written, as_published, low, high:
      medians that AlgoPerf's own scorer may form otherwise (`cells`).
    warnings: kind, message, submission, workload, study, trial, path, line.
  """

  benchmark: benchmark_lib.Benchmark
  ruleset: benchmark_lib.Ruleset
  rules: benchmark_lib.Scoring
  by: str
  columns: question.Columns
  reference: str | None
  board: published.Board | None
  evidence: evidence_lib.Evidence
  scores: pd.DataFrame
  times: pd.DataFrame
  ratios: pd.DataFrame
  profiles: pd.DataFrame
  cells: pd.DataFrame
  studies: pd.DataFrame
  pairs: pd.DataFrame
  differences: pd.DataFrame
  warnings: pd.DataFrame

  @property
  def trials(self) -> pd.DataFrame:
    """A row a trial.

    Columns submission, workload, study, trial, time, last_miss, step,
    last_miss_step, status (reached, missed, damaged or missing), rounds (the
    evaluations to the target), best, evaluations, end_time, ended, diverged,
    failed, over_budget, path.
    """
    return self.evidence.trials

  @functools.cached_property
  def curves(self) -> pd.DataFrame:
    """Every evaluation: its trial, time and step, and the workload's metric.

    Columns submission, workload, study, trial, time, step, train, validation,
    test.
    """
    return self.evidence.curves

  @functools.cached_property
  def hardware(self) -> pd.DataFrame:
    """What it ran on: columns submission, hardware, trials."""
    return self.evidence.hardware

  @functools.cached_property
  def leave_one_out(self) -> pd.DataFrame:
    """How far each score and rank moves without one of the workloads.

    Columns submission, left_out, score, change, rank, rank_change.
    """
    return statistics.leave_one_out(
      self.times, self.columns, self.rules.max_ratio, self.rules.integral
    )

  @property
  def workloads(self) -> tuple[str, ...]:
    """Names of the workloads that the score is a mean over."""
    return self.columns.workloads

  @property
  def fewest_studies(self) -> int:
    """Studies that intervals rest on at least; single ones give none."""
    keys = ['submission', 'workload']
    studies = self.studies.groupby(keys, observed=True).size()
    return int(studies[studies > 1].min())

  @property
  def neighbours(self) -> pd.DataFrame:
    """The pairs that follow each other by score."""
    return self.pairs[self.pairs['adjacent']]

  @property
  def as_published(self) -> bool:
    """Whether the rules are those of AlgoPerf's own scorer."""
    return self.rules == self.rules.as_published()
