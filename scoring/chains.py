"""What the ledger of one experiment says, and whether it is whole."""

from collections.abc import Container, Iterator, Mapping
import dataclasses
import json
import re
from typing import Any

from algoperf import ledger, records
from scoring import layout, notices, trial_files

LEDGER = re.compile(r'ledger.*\.jsonl')  # Merged experiments have several.
Place = tuple[str, int, int]  # Workload, study, trial.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recorded:
  """A trial as one ledger has it.

  Attributes:
    submission: whose it is.
    path: of the ledger.
    attempts: every time that it was started; not empty.
  """

  submission: str
  path: str
  attempts: list[ledger.Attempt]

  @property
  def last(self) -> ledger.Attempt:
    return self.attempts[-1]

  @property
  def files(self) -> Mapping[str, Any]:
    """SHA-256 of the trial's files at its end; {} if that is not known."""
    return {} if self.last.ended is None else self.last.ended.content['files']

  def notice(self, kind: str, message: str) -> notices.Notice:
    """A notice about the line that started the trial last."""
    workload, study, trial = self.last.place
    return notices.Notice(
      kind=kind,
      message=message,
      submission=self.submission,
      workload=workload,
      study=study,
      trial=trial,
      path=self.path,
      line=self.last.started.number,
    )


def submission(experiment: str) -> str:
  return layout.plain_name(experiment.rpartition('/')[2])


def content(path: str, there: Mapping[str, bytes | None], name: str) -> bytes:
  """A file beside the studies; empty if it cannot be read."""
  found = there[name]
  try:
    return trial_files.content(path, None, name) if found is None else found
  except OSError:
    return b''


def experiment(path: str, there: Mapping[str, bytes | None]) -> object:
  """What experiment.json holds; None if there is none to be read."""
  if records.EXPERIMENT_FILE not in there:
    return None
  try:
    return json.loads(content(path, there, records.EXPERIMENT_FILE))
  except (ValueError, RecursionError):
    return None


def faults(
  path: str, there: Mapping[str, bytes | None], name: str, chain: ledger.Chain
) -> Iterator[notices.Notice]:
  """What is wrong with the chain itself."""

  def notice(kind: str, message: str, line: int | None) -> notices.Notice:
    return notices.Notice(
      kind=kind,
      message=message,
      submission=submission(path),
      path=f'{path}/{name}',
      line=line,
    )

  for fault in chain.faults:
    kind = 'torn ledger line' if fault.torn else 'broken ledger'
    yield notice(kind, fault.message, fault.line)
  # Of those that were merged in, experiment.json tells nothing.
  if name == ledger.FILE and (
    message := ledger.departure(chain, experiment(path, there))
  ):
    yield notice('broken ledger', message, None)


def trials(
  path: str, name: str, chain: ledger.Chain, workloads: Container[str]
) -> list[Recorded]:
  """The trials that a ledger tells of."""
  attempts: dict[Place, list[ledger.Attempt]] = {}
  for attempt in chain.attempts():
    if attempt.place[0] in workloads:
      attempts.setdefault(attempt.place, []).append(attempt)
  return [
    Recorded(submission=submission(path), path=f'{path}/{name}', attempts=some)
    for some in attempts.values()
  ]
