"""Runs the trials of plans that are missing, one after another."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
import pathlib
from typing import Any, Protocol

from algoperf import bookkeeper, experiment, hosts, records, spec, supervisor
from algoperf import plan as plan_lib

# Attempts at a trial whose process is ended from outside, in one run of the
# command: each goes on from the last checkpoint. What a submission does wrong,
# out of memory included, is never tried again.
_ATTEMPTS = 3
_BROKEN = ('failed', 'out_of_memory')


class UnfinishedError(Exception):
  """A trial stopped and can be gone on with, but not now."""


class Observer(Protocol):
  """Who is told how trials go."""

  def skipped(self, trial: records.TrialSpec, status: str) -> None:
    """A trial that was run before."""

  def started(self, trial: records.TrialSpec, plan: plan_lib.Plan) -> None:
    """A trial that begins now."""

  def progressed(self, event: Mapping[str, Any]) -> None:
    """An event of the running trial, see `worker`; empty when it is silent."""

  def ended(
    self, trial: records.TrialSpec, outcome: supervisor.Outcome
  ) -> None:
    """The running trial has ended."""


def run(
  plans: Sequence[plan_lib.Plan],
  observer: Observer,
  announce: Callable[[records.TrialSpec], hosts.Hosts] | None = None,
) -> list[str]:
  """Runs the trials that are missing, each in a process of its own.

  A trial that was interrupted is gone on with; a failed one is run again once
  the submission or anything else has changed. Files of an earlier attempt that
  cannot be gone on with are kept in a folder inside the trial's.

  Args:
    plans: the trials.
    observer: is told how they go.
    announce: if trials take several hosts, tells the others of one that begins.

  Returns:
    The status of every trial, those of earlier runs included.

  Raises:
    UsageError: a directory holds trials of something else, or has a runner
      already; nothing was run.
    UnfinishedError: a trial stopped, such as of a full disk.
  """
  with contextlib.ExitStack() as stack:
    keepers = {
      directory: stack.enter_context(bookkeeper.opened(directory))
      for directory in dict.fromkeys(plan.directory for plan in plans)
    }
    return _run(plans, observer, keepers, announce)


def _run(
  plans: Sequence[plan_lib.Plan],
  observer: Observer,
  keepers: Mapping[pathlib.Path, bookkeeper.Bookkeeper],
  announce: Callable[[records.TrialSpec], hosts.Hosts] | None,
) -> list[str]:
  todo = [(plan, list(plan.specs())) for plan in plans]
  done = {
    trial.directory: status
    for _, trials in todo
    for trial in trials
    if (status := _status_before(trial))
  }
  statuses = []
  for plan, trials in todo:
    keeper = keepers[plan.directory]
    for trial in trials:
      if status := done.get(trial.directory):
        keeper.ended(trial, status, 'found')
        observer.skipped(trial, status)
      else:
        trial = plan.with_rival(trial)
        host = None if announce is None else announce(trial)
        status = _run_trial(plan, trial, observer, keeper, host)
      statuses.append(status)
  return statuses


def follow(
  observer: Observer,
  announced: Iterable[
    tuple[tuple[plan_lib.Plan, records.TrialSpec], hosts.Hosts]
  ],
) -> list[str]:
  """Takes part in the trials that the first of several hosts runs.

  Args:
    observer: is told how they go.
    announced: what `own_trial` makes of each trial, and where it takes place.

  Returns:
    The status of every trial.
  """
  return [
    _run_trial(plan, own, observer, bookkeeper.Nobody(), host)
    for (plan, own), host in announced
  ]


def _run_trial(
  plan: plan_lib.Plan,
  trial: records.TrialSpec,
  observer: Observer,
  keeper: bookkeeper.Bookkeeper | bookkeeper.Nobody,
  host: hosts.Hosts | None,
) -> str:
  begun = False

  def begin() -> None:
    nonlocal begun
    begun = True
    experiment.write(plan.directory, plan.seed)
    keeper.started(trial)

  def on_event(event: Mapping[str, Any]) -> None:
    if event.get('event') == 'ready':  # Before that, nothing is written.
      begin()
    observer.progressed(event)

  observer.started(trial, plan)
  try:
    outcome = _attempts(plan, trial, on_event, host)
    if not begun:  # The submission has ended or held up its process.
      begin()
    keeper.ended(trial, outcome.status)
  except KeyboardInterrupt:
    recorded = records.read_trial(pathlib.Path(trial.directory)) or {}
    with contextlib.suppress(OSError):
      keeper.ended(trial, recorded.get('status', 'interrupted'))
    raise
  except OSError as error:
    if not records.is_full(error):
      raise
    outcome = supervisor.Outcome(status='interrupted', message=records.FULL)
  observer.ended(trial, outcome)
  if outcome.status in records.UNFINISHED:
    raise UnfinishedError(
      f'{trial.directory} stopped ({outcome.message or "SIGTERM"})'
    )
  return outcome.status


def _attempts(
  plan: plan_lib.Plan,
  trial: records.TrialSpec,
  on_event: Callable[[Mapping[str, Any]], None],
  host: hosts.Hosts | None,
) -> supervisor.Outcome:
  """Runs a trial, again if its process is ended from outside.

  Only once on several hosts, which would have to begin again together.
  """
  attempts = _ATTEMPTS if host is None else 1
  budget = plan.budget(trial.workload)
  for attempt in range(1, attempts + 1):
    outcome = supervisor.run(trial, budget, on_event, host=host)
    if not outcome.from_outside:
      return outcome
    if attempt < attempts:
      on_event({'event': 'note', 'text': f'{outcome.message}: going on'})
  message = f'{outcome.message} ({attempts} attempts)'
  supervisor.end(trial, 'failed', message)
  return supervisor.Outcome(status='failed', message=message)


def _status_before(trial: records.TrialSpec) -> str | None:
  """How this very trial ended before; None if it is still to be run.

  Raises:
    UsageError: its directory holds another one.
  """
  recorded = records.read_trial(pathlib.Path(trial.directory))
  if recorded is None or recorded['status'] in records.UNFINISHED:
    return None
  differences = trial.differences(recorded)
  if not differences:
    return recorded['status']
  if recorded['status'] in _BROKEN:
    return None
  raise spec.UsageError(
    f'{trial.directory} holds another trial ({"; ".join(differences)}): choose '
    'another --experiment_dir, or move that directory away.'
  )
