"""Whose code is running: a submission's, the harness's or a library's.

Told by the files that code comes from. Code made at run time ('<string>') is
its caller's.
"""

from collections.abc import Collection
import importlib.util
import os
import pathlib
import site
import sys
import sysconfig
import types

SUBMISSION, HARNESS, LIBRARY, PYTHON = (
  'submission',
  'harness',
  'library',
  'python',
)
INSTALLED = (LIBRARY, PYTHON)
OTHERS = (HARNESS, *INSTALLED)


class Origins:
  """Tells the origin of code, of frames and of paths."""

  def __init__(
    self, submission: Collection[pathlib.Path], harness: Collection[str] = ()
  ):
    """Anything that is neither harness nor library is the submission's.

    Args:
      submission: its files or folders; the innermost of all places decides.
      harness: further files or folders of the harness.
    """
    paths = sysconfig.get_paths()
    self._roots = {
      root: origin
      for origin, places in (
        (PYTHON, map(paths.get, ('stdlib', 'platstdlib'))),
        (PYTHON, [os.path.join(sys.base_prefix, 'lib')]),
        (LIBRARY, map(paths.get, ('purelib', 'platlib'))),
        (LIBRARY, [*site.getsitepackages(), site.getusersitepackages()]),
        (HARNESS, [*map(_folder, ('algoperf', 'workloads')), *harness]),
        (SUBMISSION, submission),
      )
      for root in map(_root, places)
    }
    self._known: dict[str, str] = {}

  def of_path(self, path: str) -> str | None:
    """The origin of a file, by the innermost root; None outside of all."""
    path = os.path.realpath(path)
    within = [root for root in self._roots if (path + os.sep).startswith(root)]
    return self._roots[max(within, key=len)] if within else None

  def of_code(self, filename: str) -> str:
    """The origin of code, by its co_filename."""
    origin = self._known.get(filename)
    if origin is None:
      origin = PYTHON if filename[:1] == '<' else self.of_path(filename)
      origin = self._known[filename] = origin or SUBMISSION
    return origin

  def culprit(
    self,
    frame: types.FrameType | None,
    through: Collection[str] = (LIBRARY, PYTHON),
    sanctioned: Collection[types.CodeType] = (),
    words: Collection[str] = (),
  ) -> str | None:
    """The place in a submission that a call comes from, if it does.

    Args:
      frame: the innermost one.
      through: origins that are passed over on the way out; any other but the
        submission's own ends the search.
      sanctioned: code that ends it, too.
      words: what code says that does this of its own accord. Other code that is
        not the submission's was handed a function, and is passed over.
    """
    of_code = self.of_code
    while frame is not None:
      code = frame.f_code
      if code in sanctioned:
        return None
      origin = of_code(code.co_filename)
      if origin is SUBMISSION:
        return f'{os.path.basename(code.co_filename)}:{frame.f_lineno}'
      if origin not in through and (not words or _says(code, words)):
        return None
      frame = frame.f_back
    return None


def _says(code: types.CodeType, words: Collection[str]) -> bool:
  names = (*code.co_names, *code.co_freevars)
  return any(word in name for name in names for word in words)


def _folder(package: str) -> str:
  """Where a package is, without importing it."""
  return importlib.util.find_spec(package).submodule_search_locations[0]


def _root(path: pathlib.Path | str) -> str:
  return os.path.realpath(path) + os.sep
