"""A board: the study times of a competition, and what they were taken on."""

from collections.abc import Container, Mapping, Sequence
import dataclasses
import re

from algoperf import benchmark as benchmark_lib
from algoperf import spec
from scoring import studies as studies_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Board:
  """The results of a competition.

  Attributes:
    benchmark: name of the definition that the times were taken by.
    ruleset: 'external' or 'self'.
    study: which trial of a study counts, as in `benchmark.Scoring`.
    hardware: what all trials ran on.
    source: whose logs, and where they were published.
    sha256: of the archive of logs; '' if they were no archive.
    licence: of the logs.
    date: on which the table was made, as YYYY-MM-DD.
    command: what made it.
    targets: of each workload, such as 'accuracy >= 0.77'.
    studies: without hyperparameters and paths.
    definition: digest of the definition that the trials were run by. This and
      what follows is '' where it is not known.
    run: the command that ran the trials.
    hours: what they took, evaluations included, and on which days.
  """

  benchmark: str
  ruleset: str
  study: str
  hardware: str
  source: str
  sha256: str
  licence: str
  date: str
  command: str
  targets: Mapping[str, str]
  studies: Sequence[studies_lib.Study]
  definition: str = ''
  run: str = ''
  hours: str = ''

  def check(
    self, benchmark: benchmark_lib.Benchmark, workloads: Sequence[str]
  ) -> None:
    """Makes sure that a benchmark's times can be compared with the board's.

    Args:
      benchmark: by which other submissions are scored.
      workloads: those that are scored, held-out variants included.

    Raises:
      UsageError: the board lacks a workload, or has another target for it.
    """
    board = f'the published board {self.benchmark} ({self.ruleset})'
    theirs = targets(benchmark, workloads)
    for workload, target in theirs.items():
      if workload not in self.targets:
        raise spec.UsageError(
          f'{board} has no {workload}: score {", ".join(self.targets)} only'
        )
      if target != self.targets[workload]:
        raise spec.UsageError(
          f'{board} has times to {workload} {self.targets[workload]}, but the '
          f'target of benchmark {benchmark.name} is {target}: score by a '
          'definition with the same targets'
        )

  def ran_on(self, machine: str) -> bool:
    """Whether a text can mean the board's hardware: number, model, memory.

    What one of the two leaves out does not tell them apart; of CPUs the whole
    text has to be the same.
    """
    if machine == self.hardware:
      return True
    for pattern in (r'^(\d+) ×', r'\b([A-Z]+\d+[A-Z]?)\b', r'(\d+) ?GB\b'):
      ours, theirs = (re.search(pattern, t) for t in (self.hardware, machine))
      if ours and theirs and ours[1] != theirs[1]:
        return False
    return bool(machine) and not machine.startswith('cpu:')

  def among(
    self, studies: Sequence[studies_lib.Study], workloads: Container[str]
  ) -> list[studies_lib.Study]:
    """The studies of other submissions, followed by those of the board.

    Args:
      studies: of others. Those of the board that have the same name get
        ' (published)' behind it.
      workloads: that are scored.
    """
    own = {study.submission for study in studies}
    theirs = [study for study in self.studies if study.workload in workloads]
    return [*studies, *(_told_apart(study, own) for study in theirs)]


def _told_apart(
  study: studies_lib.Study, others: Container[str]
) -> studies_lib.Study:
  if study.submission not in others:
    return study
  name = f'{study.submission} (published)'
  return dataclasses.replace(study, submission=name)


def targets(
  benchmark: benchmark_lib.Benchmark, workloads: Sequence[str]
) -> dict[str, str]:
  """What the times of workloads are to, such as 'accuracy >= 0.77'."""
  goals = {name: benchmark.row(name).goal for name in workloads}
  return {
    name: f'{goal.metric} {goal.comparison} {goal.validation_target!r}'
    for name, goal in goals.items()
  }
