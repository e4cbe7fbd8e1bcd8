"""What a submission may not touch, and how we know that it did not.

Python keeps nothing from code that runs in the same process. So what decides a
result is out of a submission's reach where it can be (a workload, a queue and
results of its own, copies for the evaluation), and everything else is watched:
what the process does (`audit`), what names stand for (`references`), what runs
during evaluations, and whether the clock agrees with a second one. README.md
("What is checked") lists it. A violation is told to the parent process at once,
which nothing that follows can take back.
"""

from collections.abc import Callable
import dataclasses
import pathlib

from algoperf import (
  audit,
  audit_files,
  blame,
  calls,
  lent,
  references,
  sources,
  spec,
  trial,
  watched,
)
from algoperf import clock as clock_lib
from algoperf import submission as submission_lib

STATUS = 'disqualified'

_CLOCK_TOLERANCE, _CLOCK_SECONDS = 0.01, 0.05


class ViolationError(Exception):
  """Ends a trial that is disqualified."""


class Guard:
  """Watches one trial. What it finds ends the trial at the next step."""

  def __init__(
    self,
    source: sources.Source,
    report: Callable[[str], None],
    *,
    data_dir: str,
    experiment: str | pathlib.Path,
    harness: tuple[str, ...] = (),
  ):
    """Watches nothing before `start`.

    Args:
      source: the submission.
      report: takes each violation, once; also from other threads.
      data_dir: where data sets are.
      experiment: the directory that trials are recorded in.
      harness: folders whose code is to be trusted, beside this package.
    """
    self._source = source
    self._report_outside = report
    self._violations: dict[str, None] = {}
    in_folder = source.path.name in ('submission.py', '__init__.py')
    self._origins = blame.Origins(
      [source.path.parent if in_folder else source.path], harness
    )
    sanctioned = (lent.queue.__code__, watched.Evaluation.__call__.__code__)
    self._files = audit_files.Files(
      self._origins,
      self.report,
      data_dir=data_dir,
      experiment=pathlib.Path(experiment),
      sanctioned=sanctioned,
    )
    self._audit = audit.Audit(
      self._origins, self.report, self._files, sanctioned
    )
    self._references: references.References | None = None
    self._calls: calls.Calls | None = None
    self._spent = self._timed = 0.0  # At the evaluation before.

  def start(self) -> None:
    """To be called when nothing of the submission has run yet."""
    self._audit.start()
    self._references = references.References(self._origins)

  @property
  def violations(self) -> list[str]:
    return list(self._violations)

  def report(self, violation: str) -> None:
    """Notes a violation; never raises."""
    if violation not in self._violations:
      self._violations[violation] = None
      self._report_outside(violation)

  def raise_if_violated(self) -> None:
    if self._violations:
      raise ViolationError(next(iter(self._violations)))

  def check(self) -> None:
    """Compares all that should not have changed with what it was.

    Raises:
      ViolationError: this, or anything before it, found a violation.
    """
    for name in self._references.changed() if self._references else ():
      self.report(f'changes {name}')
    self.raise_if_violated()

  def judge(self, error: BaseException) -> BaseException:
    """What ended a trial: a violation, if there is one behind the error."""
    try:
      self.check()
    except ViolationError as violation:
      return violation
    return error

  def loaded(self) -> None:
    """To be called once the submission is imported."""
    self._files.source(self._source.path)
    self.check()

  def submission(
    self,
    submission: submission_lib.Submission,
    workload: spec.Workload,
    fresh: Callable[[], spec.Workload],
  ) -> submission_lib.Submission:
    """The same functions, which get what is lent instead of what is ours.

    Args:
      submission: as it was loaded.
      workload: the harness's.
      fresh: makes another one like it, without a goal.
    """
    made = self._calls = calls.Calls(
      lambda: lent.workload(workload, fresh()),
      self.look,
      self._audit.initialising,
    )
    prepare = submission.prepare_for_eval
    return dataclasses.replace(
      submission,
      init_optimizer_state=made.initial(submission.init_optimizer_state),
      update_params=made.by_keyword(submission.update_params),
      data_selection=made.selection(submission.data_selection),
      prepare_for_eval=prepare and made.by_keyword(prepare),
    )

  def look(self) -> None:
    """Compares what is needed between evaluations."""
    for name in self._references.critical():
      self.report(f'changes {name}')
    self.raise_if_violated()

  def evaluation(
    self,
    evaluate: Callable[..., dict[str, float]],
    clock: clock_lib.SubmissionClock,
  ) -> Callable[..., dict[str, float]]:
    """The same evaluation, of copies and under watch."""
    self._timed = clock.timed

    def check() -> None:
      self._check_clock(clock.timed)
      self.check()

    return watched.Evaluation(
      evaluate, self._origins, self._audit.threads, self.report, check
    )

  def checkpoints(self, checkpoints: trial.Checkpoints) -> trial.Checkpoints:
    """The same, while which a submission's code may hardly run."""
    return watched.Checkpoints(checkpoints, self._origins, self.report)

  def _check_clock(self, timed: float) -> None:
    """Compares submission time with what was measured around each call."""
    spent, self._spent = self._calls.seconds - self._spent, self._calls.seconds
    passed, self._timed = timed - self._timed, timed
    if passed < spent * (1 - _CLOCK_TOLERANCE) - _CLOCK_SECONDS:
      self.report(
        f'its clock counts {passed:.2f} s where its functions took '
        f'{spent:.2f} s'
      )
