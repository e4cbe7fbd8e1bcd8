"""The ledger of an experiment: every trial started, and how it ended.

`<experiment>/ledger.jsonl` is only ever appended to. Each line is a JSON object
with the SHA-256 of the line before it (its bytes without the newline) in
`previous`, 64 zeros in the first line; no line can be altered, taken out or put
in without the next one telling. Its `event` is one of

  opened   the first line: `format` (1), `experiment` (a random name)
  started  `experiment`, `attempt` (from 1) and what decides the trial (STARTED)
  ended    `start` (SHA-256 of the line that started it), `status`, and `files`:
           name → SHA-256 of each file in the trial's directory
  found    as ended, but written later: the runner that started the trial did
           not live to see its end

and `time` says when. A line that a crash has cut off has no newline. The next
run closes it with one and goes on; the line says nothing, but is part of the
chain as it stands, and the next line has `torn: true`.

What the chain cannot show, lines missing at its end, `experiment.json` does: it
holds how many lines there were at least, and the SHA-256 of the last of these.
Nobody but the owner of the files can be kept from rewriting all of them at
once: who wants to be believed publishes the last SHA-256 while trials run.

Written by `bookkeeper` alone. Imports nothing heavy: scoring reads ledgers too.
"""

from collections.abc import Mapping
import dataclasses
import hashlib
import json
import pathlib
from typing import Any

FILE = 'ledger.jsonl'
STARTED = (
  *('submission', 'submission_digest', 'workload', 'study', 'trial', 'seed'),
  *('hyperparameters', 'ruleset', 'max_steps', 'benchmark_digest'),
)
NOTHING = '0' * 64
_TYPES: Mapping[str, Mapping[str, type]] = {
  'opened': {'experiment': str},
  'started': {'workload': str, 'study': int, 'trial': int, 'attempt': int},
  'ended': {'start': str, 'status': str, 'files': dict},
  'found': {'start': str, 'status': str, 'files': dict},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
  """One line: its number from 1, its SHA-256, what it says ({} if nothing)."""

  number: int
  digest: str
  content: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
  """What is wrong with a line; `torn` if a crash explains it."""

  line: int
  message: str
  torn: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
  """A trial that was started, and the line that ended it, if there is one."""

  started: Line
  ended: Line | None

  @property
  def place(self) -> tuple[str, int, int]:
    """Workload, study and trial."""
    content = self.started.content
    return content['workload'], content['study'], content['trial']

  @property
  def status(self) -> str | None:
    return None if self.ended is None else self.ended.content['status']


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chain:
  """All that a ledger says, and what is wrong with it."""

  lines: tuple[Line, ...]
  faults: tuple[Fault, ...]

  def attempts(self) -> list[Attempt]:
    """Every start of a trial, in order, with its end."""
    ends = {
      line.content['start']: line
      for line in self.lines
      if line.content.get('event') in ('ended', 'found')
    }
    return [
      Attempt(started=line, ended=ends.get(line.digest))
      for line in self.lines
      if line.content.get('event') == 'started'
    ]


def departure(chain: Chain, experiment: object) -> str | None:
  """In what a ledger is not as experiment.json last saw it; None: in nothing.

  Args:
    chain: the ledger.
    experiment: the content of experiment.json, whatever it is.
  """
  length = len(chain.lines)
  seen = anchor(experiment)
  if seen is None:
    # A runner may be killed between its first line and experiment.json.
    return None if length < 2 else 'experiment.json does not tell its length'
  if seen[0] > length:
    return f'it had {seen[0]} lines or more, and has {length}'
  if chain.lines[seen[0] - 1].digest != seen[1]:
    return f'line {seen[0]} is another than experiment.json has seen'
  return None


def anchor(experiment: object) -> tuple[int, str] | None:
  """How many lines experiment.json says there were, and the last's SHA-256."""
  try:
    count, digest = (experiment['ledger'][key] for key in ('lines', 'sha256'))
  except (LookupError, TypeError):
    return None
  valid = isinstance(count, int) and count > 0 and isinstance(digest, str)
  return (count, digest) if valid else None


def parse(content: bytes) -> Chain:
  """Reads a ledger, whatever has been done to it."""
  texts = content.split(b'\n')
  cut_off = texts.pop() != b''
  if cut_off:
    texts = content.split(b'\n')
  lines: list[Line] = []
  faults: list[Fault] = []
  previous, after_tear = NOTHING, 0
  for number, text in enumerate(texts, start=1):
    said = _entry(text)
    if said and said.get('previous') != previous:
      message = 'it does not follow the line before it, as that now stands'
      faults.append(Fault(line=number, message=message))
    if after_tear and not (said and said.get('torn') is True):
      faults.append(Fault(line=after_tear, message='it is no entry'))
    elif after_tear:
      message = 'it was cut off by a crash; what it told is not known'
      faults.append(Fault(line=after_tear, message=message, torn=True))
    after_tear = 0 if said else number
    previous = hashlib.sha256(text).hexdigest()
    lines.append(Line(number=number, digest=previous, content=said))
  if after_tear:
    message = 'it is cut off' if cut_off else 'it is no entry'
    faults.append(Fault(line=after_tear, message=message, torn=cut_off))
  return Chain(lines=tuple(lines), faults=tuple(faults))


def _entry(text: bytes) -> dict[str, Any]:
  """What a line says; {} if it is no entry."""
  try:
    said = json.loads(text)
  except (ValueError, RecursionError):
    return {}
  types = _TYPES.get(str(said.get('event'))) if isinstance(said, dict) else None
  if types is None:
    return {}
  values = [(said.get(key), kind) for key, kind in types.items()]
  whole = all(isinstance(value, kind) for value, kind in values)
  numbers = [value for value, kind in values if kind is int and whole]
  return said if whole and all(0 < n < 1 << 31 for n in numbers) else {}


def digests(directory: pathlib.Path) -> dict[str, str]:
  """SHA-256 of each file in a trial's directory, not of those below it."""
  found = {}
  for path in sorted(directory.iterdir()):
    if path.is_file() and not path.name.startswith('.'):
      with open(path, 'rb') as file:
        found[path.name] = hashlib.file_digest(file, 'sha256').hexdigest()
  return found
