"""What `algoperf verify` found, and whether it is still about these files.

It leaves verification.json in a trial's directory, with the SHA-256 of every
file that it looked at. Whoever can write there can write such a file as well:
it says what was verified, and verifying again is the proof.
"""

from collections.abc import Mapping
import hashlib

from algoperf import records
from scoring import layout, notices, trial_files

VERIFIED, REFUSED, STALE = 'verified', 'refused', 'stale'
# Files that scores come from.
_CHECKED = (layout.LOG, records.TRIAL_FILE, 'hparams.json')


def state(trial: trial_files.Trial, noticed: list[notices.Notice]) -> str:
  """VERIFIED, REFUSED, STALE (files changed since), or '' (never verified).

  Args:
    trial: where it is.
    noticed: is added to where a result is not confirmed.
  """
  file = records.VERIFICATION_FILE
  try:
    found = trial_files.json_object(trial, file)
  except ValueError as error:
    noticed.append(trial.notice(f'damaged {file}', str(error), file=file))
    return ''
  if not found:
    return ''
  when = trial_files.text(found.get('time'))
  if changed := _changed(trial, found.get('files')):
    message = f'{", ".join(changed)} changed since it was verified on {when}'
    noticed.append(trial.notice('stale verification', message, file=file))
    return STALE
  if found.get('verified') is True:
    return VERIFIED
  message = f'algoperf verify refused it on {when}: {_first(found)}'
  noticed.append(trial.notice('refused result', message, file=file))
  return REFUSED


def _changed(trial: trial_files.Trial, digests: object) -> list[str]:
  """Which files are not those that were verified."""
  if not isinstance(digests, Mapping):
    digests = {}
  return [
    name for name in _CHECKED if _digest(trial, name) != digests.get(name)
  ]


def _digest(trial: trial_files.Trial, name: str) -> str | None:
  try:
    return hashlib.sha256(trial.read(name)).hexdigest()
  except OSError:
    return None


def _first(found: Mapping[str, object]) -> str:
  """The first problem, in a line."""
  problems = found.get('problems')
  first = problems[0] if isinstance(problems, list) and problems else {}
  if not isinstance(first, Mapping):
    return 'no reason is given'
  parts = (trial_files.text(first.get(key)) for key in ('kind', 'message'))
  return ': '.join(filter(None, parts)) or 'no reason is given'
