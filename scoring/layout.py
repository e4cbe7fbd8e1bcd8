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
from scoring import archives, notices, trees

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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
  """Where one trial is recorded, and whose it is.

  Attributes:
    path: of its directory; in an archive `logs.tar.xz/sub/study_1/...`.
    submission: name without a time stamp.
    workload: name without the framework.
    study: its number.
    trial: its number within the study.
    framework: 'jax' or 'pytorch'.
    files: contents by name if they come from an archive; None: read from disk.
  """

  path: str
  submission: str
  workload: str
  study: int
  trial: int
  framework: str
  files: Mapping[str, bytes] | None = dataclasses.field(
    default=None, repr=False, compare=False
  )

  @property
  def key(self) -> tuple[str, str, int, int]:
    """What should be told apart from any other trial."""
    return self.submission, self.workload, self.study, self.trial

  @property
  def experiment(self) -> str:
    """The path of the directory that its study is in."""
    return self.path.rsplit('/', 3)[0]

  def has(self, name: str) -> bool:
    """Whether there is a file: faster than to fail at reading it."""
    if self.files is None:
      return os.access(f'{self.path}/{name}', os.F_OK)
    return name in self.files

  def read(self, name: str) -> bytes:
    """The content of one of its files.

    Raises:
      FileNotFoundError: there is no such file.
      OSError: it cannot be read.
    """
    return content(self.path, self.files, name)

  def notice(
    self, kind: str, message: str, *, file: str = '', line: int | None = None
  ) -> notices.Notice:
    """A notice about this trial, or a line of one of its files."""
    return notices.Notice(
      kind=kind,
      message=message,
      submission=self.submission,
      workload=self.workload,
      study=self.study,
      trial=self.trial,
      path=f'{self.path}/{file}' if file else self.path,
      line=line,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiments:
  """What there is of whole experiments.

  Attributes:
    trials: by the experiment's path, also those that are there twice.
    beside: by the experiment's path, its ledgers and experiment.json: names,
      and contents if they come from an archive.
  """

  trials: Mapping[str, list[Trial]]
  beside: Mapping[str, Mapping[str, bytes | None]]


def find(
  paths: Iterable[str | os.PathLike[str]],
) -> tuple[list[Trial], list[notices.Notice], Experiments]:
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
  found: dict[str, Trial] = {}
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
  trials: Iterable[Trial], beside: Mapping[str, Mapping[str, bytes | None]]
) -> Experiments:
  """The trials of those experiments that have a ledger."""
  grouped: dict[str, list[Trial]] = {path: [] for path in beside}
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


def _placed(folder: str, files: Mapping[str, bytes] | None) -> Trial | None:
  """The trial of a directory, None if it lies elsewhere than it should."""
  parent, _, name = folder.rpartition('/')
  place = _place(parent)
  if place is None:
    return None
  submission, study, workload, framework = place
  return Trial(
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
  trials: Iterable[Trial], noticed: list[notices.Notice]
) -> list[Trial]:
  """The trials without those that are there twice with the same log."""
  kept: dict[tuple[str, str, int, int], list[Trial]] = {}
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


def _log(trial: Trial) -> bytes | None:
  try:
    return trial.read(LOG)
  except OSError:
    return None


def _two_frameworks(trials: Iterable[Trial]) -> list[notices.Notice]:
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


def content(trial: str, files: Mapping[str, bytes] | None, name: str) -> bytes:
  """A file of a trial, with as few system calls as can be.

  Args:
    trial: its path.
    files: contents by name if it lies in an archive; None: read from disk.
    name: of the file.

  Raises:
    FileNotFoundError: there is no such file.
    OSError: it cannot be read.
  """
  path = f'{trial}/{name}'
  if files is not None:
    if name not in files:
      raise FileNotFoundError(path)
    return files[name]
  # Not to wait for a pipe that somebody calls a log.
  handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
  try:
    size = os.fstat(handle).st_size
    found = os.read(handle, size)
    while len(found) < size and (more := os.read(handle, size)):
      found += more
    return found
  finally:
    os.close(handle)
