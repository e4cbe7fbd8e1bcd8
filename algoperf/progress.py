"""What a person sees while trials run."""

from collections.abc import Mapping
import time
from typing import Any

import rich.console
import rich.live
import rich.markup
import rich.text

from algoperf import plan as plan_lib
from algoperf import records, supervisor

_BROKEN = ('failed', 'out_of_memory', 'timed_out', 'disqualified')
_PLAIN_SECONDS = 10.0  # Between lines, where the screen is a file.


class Screen:
  """Shows trials as they go: a live line on a terminal, else plain lines."""

  def __init__(self, console: rich.console.Console):
    self._console = console
    self._live: rich.live.Live | None = None

  def skipped(self, trial: records.TrialSpec, status: str) -> None:
    self._print(f'{_title(trial)}: {status}, done before')

  def started(self, trial: records.TrialSpec, plan: plan_lib.Plan) -> None:
    """Begins to follow a trial."""
    self._trial = trial
    self._goal = plan.benchmark.row(trial.workload).goal
    self._budget = plan.budget(trial.workload)
    self._metric: float | None = None
    self._printed = self._rate_at = time.monotonic()
    self._rate_step, self._rate = 0, 0.0
    self._progress: dict[str, Any] = {}
    if self._console.is_terminal:
      self._live = rich.live.Live(
        self._line(), console=self._console, transient=True
      )
      self._live.start()
    else:
      self._print(f'{_title(trial)}: starting')

  def progressed(self, event: Mapping[str, Any]) -> None:
    """Takes in one event of the trial and shows where it stands."""
    if event.get('event') == 'note':
      self._print(f'{_title(self._trial)}: {rich.markup.escape(event["text"])}')
    if event.get('event') == 'ready':
      self._rate_step, self._rate_at = event['step'], time.monotonic()
    if event.get('event') == 'progress':
      self._progress = dict(event)
      self._count_steps(event['step'])
      if 'results' in event:
        metric = f'validation/{self._goal.metric}'
        self._metric = event['results'].get(metric)
    if self._live is not None:
      self._live.update(self._line())
    elif self._due():
      self._print(self._line().plain)

  def _due(self) -> bool:
    now = time.monotonic()
    if now - self._printed < _PLAIN_SECONDS or not self._progress:
      return False
    self._printed = now
    return True

  def _count_steps(self, step: int) -> None:
    now = time.monotonic()
    if step > self._rate_step and now - self._rate_at >= 0.5:
      self._rate = (step - self._rate_step) / (now - self._rate_at)
      self._rate_step, self._rate_at = step, now

  def ended(
    self, trial: records.TrialSpec, outcome: supervisor.Outcome
  ) -> None:
    """Leaves one line about the trial."""
    self.close()
    steps = self._progress.get('step', 0)
    if outcome.target is not None:
      time_, step = outcome.target['time'], outcome.target['step']
      text = (
        f'[green]reached {self._target()} in {time_:.1f} s[/] (step {step})'
      )
    elif outcome.status in _BROKEN:
      text = (
        f'[red]{outcome.status}[/]: {rich.markup.escape(outcome.message or "")}'
      )
      text += f' (see {trial.directory})'
    else:
      rival = trial.beaten_at if outcome.status == 'beaten' else None
      text = f'[yellow]{outcome.status}[/] at step {steps}'
      text += '' if rival is None else f' by a trial of {rival:.1f} s'
      text += f', {self._values()}'
      text += '' if self._goal.validation_target is None else ' missed'
    self._print(f'{_title(trial)}: {text}')

  def close(self) -> None:
    """Takes the live line off the screen."""
    if self._live is not None:
      self._live.stop()
      self._live = None

  def _print(self, text: str) -> None:
    self._console.print(text, soft_wrap=True, highlight=False)

  def _target(self) -> str:
    goal = self._goal
    return f'{goal.metric} {goal.comparison} {goal.validation_target}'

  def _values(self) -> str:
    """The metric against its target."""
    value = '–' if self._metric is None else f'{self._metric:.4g}'
    goal = self._goal
    if goal.validation_target is None:
      return f'{goal.metric} {value} (no target)'
    return f'{goal.metric} {value} ({goal.comparison} {goal.validation_target})'

  def _line(self) -> rich.text.Text:
    """Where the trial stands, in one line."""
    progress = self._progress
    if not progress:
      return rich.text.Text(f'{_title(self._trial)}: starting')
    if progress.get('evaluating'):
      upcoming = 'evaluating'
    else:
      upcoming = f'next evaluation in {progress["next_evaluation"]:.0f} s'
    return rich.text.Text(
      f'{_title(self._trial)}: step {progress["step"]} · '
      f'{self._rate:.1f} steps/s · {self._values()} · '
      f'{progress["timed"]:.0f} of {self._budget:.0f} s · {upcoming}'
    )


def _title(trial: records.TrialSpec) -> str:
  return (
    f'{trial.workload} {trial.submission} '
    f'study {trial.study} trial {trial.trial}'
  )
