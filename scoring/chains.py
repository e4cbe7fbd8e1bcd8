"""What the ledger of one experiment says, and whether it is whole."""

from collections.abc import Container, Iterator, Mapping
import dataclasses
import json
import re
from typing import Any

from algoperf import ledger, records
from scoring import layout, notices

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
    return layout.content(path, None, name) if found is None else found
  except OSError:
    return b''


def anchor(
  path: str, there: Mapping[str, bytes | None]
) -> tuple[int, str] | None:
  """How many lines experiment.json says there were, and the last's SHA-256."""
  if records.EXPERIMENT_FILE not in there:
    return None
  try:
    found = json.loads(content(path, there, records.EXPERIMENT_FILE))
    count, digest = found['ledger']['lines'], found['ledger']['sha256']
  except (ValueError, LookupError, TypeError, RecursionError):
    return None
  valid = isinstance(count, int) and count > 0 and isinstance(digest, str)
  return (count, digest) if valid else None


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
  if name != ledger.FILE:
    return  # Merged in; experiment.json tells nothing of it.
  count, digest = anchor(path, there) or (0, '')
  length = len(chain.lines)
  if not count:
    message = f'{records.EXPERIMENT_FILE} does not tell how long it was'
    yield notice('shortened ledger', message, None)
  elif count > length:
    message = f'it had {count} lines or more, and has {length}'
    yield notice('shortened ledger', message, None)
  elif chain.lines[count - 1].digest != digest:
    message = f'it is not what {records.EXPERIMENT_FILE} has seen'
    yield notice('broken ledger', message, count)


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
