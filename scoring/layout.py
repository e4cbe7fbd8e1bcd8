"""Where trials lie, and whose they are: AlgoPerf's layout.

`<submission>/study_<s>/<workload>_<framework>/trial_<k>/eval_measurements.csv`
in directories and archives of any level, with or without time stamps.
"""

from collections.abc import Iterable, Mapping
import dataclasses
import functools
import os
import re

from algoperf import records, spec
from scoring import archives, notices, trees, trial_files

LAYOUT = '<submission>/study_<s>/<workload>_<framework>/trial_<k>'
LOG = records.EVALUATIONS_FILE
_WANTED = re.compile(
  rf'{re.escape(LOG)}|{re.escape(records.TRIAL_FILE)}|hparams\.json|'
  rf'{re.escape(records.VERIFICATION_FILE)}|'
  r'(meta_data|flags)_\d+\.json'
)
# Files of a whole experiment, beside its studies. Merged experiments may have
# several ledgers.
_BESIDE = re.compile(
  rf'ledger[\w.-]*\.jsonl|{re.escape(records.EXPERIMENT_FILE)}'
)
_TRIAL = re.compile(r'trial_([0-9]+)')
_STUDY = re.compile(r'study_([0-9]+)')
_WORKLOAD = re.compile(r'(.+)_(jax|pytorch)')
# A date alone stays: it may be the version of a submission.
_STAMP = re.compile(
  r'[_-]20\d\d-?[01]\d-?[0-3]\d[-_T ][0-2]\d([-_:]?)[0-5]\d\1[0-5]\d'
  r'(\.\d+)?(Z|[+-]\d\d:?\d\d)?$'
)
_MADE_BY_MACOS = '__MACOSX'  # Beside the real files of a zip archive.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiments:
  """What there is of whole experiments.

  Attributes:
    trials: by the experiment's path, also those that are there twice.
    beside: by the experiment's path, its ledgers and experiment.json: names,
      and contents if they come from an archive.
  """

  trials: Mapping[str, list[trial_files.Trial]]
  beside: Mapping[str, Mapping[str, bytes | None]]


def find(
  paths: Iterable[str | os.PathLike[str]],
) -> tuple[list[trial_files.Trial], list[notices.Notice], Experiments]:
  """All trials in some directories and archives, merged.

  Args:
    paths: directories of any level of the layout (a trial's, a submission's,
      one that holds many submissions) and archives of such directories:
      `.tar`, `.tar.xz`, `.tar.gz`, `.tgz`, `.tar.bz2`, `.zip`.

  Returns:
    The trials, ordered by submission, workload, study and trial; notices of
    what looked like one but is not, or is there twice; and what there is of
    whole experiments.

  Raises:
    UsageError: a path does not exist or cannot be read, an archive is damaged,
      or there is no trial at all.
  """
  paths = [os.path.abspath(path) for path in paths]
  found: dict[str, trial_files.Trial] = {}
  noticed: list[notices.Notice] = []
  links: dict[str, str] = {}
  beside: dict[str, dict[str, bytes | None]] = {}
  for path in paths:
    if os.path.isdir(path):
      folders = _in_tree(path, links, noticed, beside)
    elif os.path.exists(path) and archives.SUFFIX.search(path):
      folders = _in_archive(path, noticed, beside)
    else:
      raise spec.UsageError(
        f'no such directory or archive of logs: {path} (archives end in '
        '.tar, .tar.xz, .tar.gz, .tgz, .tar.bz2 or .zip)'
      )
    for folder, files in folders.items():
      if trial := _placed(folder, files):
        found.setdefault(folder, trial)
      else:
        noticed.append(_misplaced(folder))
  if not found:
    raise spec.UsageError(
      f'no trials below {", ".join(paths) or "(no path given)"}; '
      f'expected {LAYOUT}/{LOG}'
    )
  trials = _without_copies(found.values(), noticed)
  noticed += _two_frameworks(trials)
  # Paths that overlap have the same notices.
  noticed = list(dict.fromkeys(noticed))
  return trials, noticed, _experiments(found.values(), beside)


def _experiments(
  trials: Iterable[trial_files.Trial],
  beside: Mapping[str, Mapping[str, bytes | None]],
) -> Experiments:
  """The trials of those experiments that have a ledger."""
  grouped: dict[str, list[trial_files.Trial]] = {path: [] for path in beside}
  if grouped:
    for trial in trials:
      grouped.get(trial.experiment, []).append(trial)
  return Experiments(trials=grouped, beside=beside)


def _in_tree(
  root: str,
  links: dict[str, str],
  noticed: list[notices.Notice],
  beside: dict[str, dict[str, bytes | None]],
) -> dict[str, None]:
  """Every directory called trial_<k>, in order."""
  folders = []
  for path, is_directory in trees.walk(root, _TRIAL, links, noticed):
    if is_directory:
      folders.append(path)
      continue
    folder, _, name = path.rpartition('/')
    if name == LOG:
      noticed.append(_misplaced(path))
    elif _BESIDE.fullmatch(name):
      beside.setdefault(folder, {})[name] = None
  return dict.fromkeys(sorted(folders))


def _in_archive(
  path: str,
  noticed: list[notices.Notice],
  beside: dict[str, dict[str, bytes | None]],
) -> dict[str, dict[str, bytes]]:
  """The wanted files of every directory called trial_<k> in an archive."""
  folders: dict[str, dict[str, bytes]] = {}
  members = archives.members(path, lambda name: bool(_wanted(name)))
  for name, content in members:
    parts = [part for part in name.split('/') if part not in ('', '.')]
    if _MADE_BY_MACOS in parts:
      continue
    is_directory = name.endswith('/')
    above = parts if is_directory else parts[:-1]
    depth = next((i for i, p in enumerate(above) if _TRIAL.fullmatch(p)), None)
    if depth is not None:
      folder = '/'.join((path, *parts[: depth + 1]))
      files = folders.setdefault(folder, {})
      if content is not None and len(parts) == depth + 2:
        files[parts[-1]] = content
    elif parts and parts[-1] == LOG:
      noticed.append(_misplaced('/'.join((path, *parts))))
    elif content is not None and _BESIDE.fullmatch(parts[-1]):
      folder = '/'.join((path, *parts[:-1]))
      beside.setdefault(folder, {})[parts[-1]] = content
  return folders


def _wanted(name: str) -> re.Match[str] | None:
  name = name.rpartition('/')[2]
  return _WANTED.fullmatch(name) or _BESIDE.fullmatch(name)


def _placed(
  folder: str, files: Mapping[str, bytes] | None
) -> trial_files.Trial | None:
  """The trial of a directory, None if it lies elsewhere than it should."""
  parent, _, name = folder.rpartition('/')
  place = _place(parent)
  if place is None:
    return None
  submission, study, workload, framework = place
  return trial_files.Trial(
    path=folder,
    submission=submission,
    workload=workload,
    study=study,
    trial=int(name.removeprefix('trial_')),
    framework=framework,
    files=files,
  )


@functools.lru_cache(maxsize=64)
def _place(parent: str) -> tuple[str, int, str, str] | None:
  """Submission, study, workload and framework of trials in a directory."""
  names = [plain_name(name) for name in parent.split('/')[-3:]]
  if len(names) < 3 or not names[0]:
    return None
  study, workload = _STUDY.fullmatch(names[1]), _WORKLOAD.fullmatch(names[2])
  if not study or not workload:
    return None
  return names[0], int(study[1]), workload[1], workload[2]


def plain_name(name: str) -> str:
  """The name of a directory or an archive without a time stamp."""
  return _STAMP.sub('', archives.SUFFIX.sub('', name))


def _misplaced(path: str) -> notices.Notice:
  return notices.Notice(
    kind='misplaced trial',
    path=path,
    message=f'left out: the path does not end in {LAYOUT}',
  )


def _without_copies(
  trials: Iterable[trial_files.Trial], noticed: list[notices.Notice]
) -> list[trial_files.Trial]:
  """The trials without those that are there twice with the same log."""
  kept: dict[tuple[str, str, int, int], list[trial_files.Trial]] = {}
  for trial in trials:
    others = kept.setdefault(trial.key, [])
    log = _log(trial) if others else None
    same = next((other for other in others if _log(other) == log), None)
    if same:
      message = f'counted once: the same log as {same.path}'
      noticed.append(trial.notice('duplicate trial', message))
      continue
    if others:
      message = f'both count: another log than {others[0].path}'
      noticed.append(trial.notice('same trial twice', message))
    others.append(trial)
  return [trial for key in sorted(kept) for trial in kept[key]]


def _log(trial: trial_files.Trial) -> bytes | None:
  try:
    return trial.read(LOG)
  except OSError:
    return None


def _two_frameworks(
  trials: Iterable[trial_files.Trial],
) -> list[notices.Notice]:
  frameworks: dict[tuple[str, str], set[str]] = {}
  for trial in trials:
    cell = trial.submission, trial.workload
    frameworks.setdefault(cell, set()).add(trial.framework)
  return [
    notices.Notice(
      kind='two frameworks',
      message=f'trials of {" and ".join(sorted(found))} are scored together',
      submission=submission,
      workload=workload,
    )
    for (submission, workload), found in sorted(frameworks.items())
    if len(found) > 1
  ]
