"""Libraries that open files, connections or processes unseen by Python.

An audit hook hears of none of that, so a submission may not use them at all.
One that is not loaded yet is heard of when it is imported; of those that the
harness has loaded itself, importing hands out a stand-in that tells of its use.
"""

import importlib.machinery
import sys
import types
from typing import Any

EVENT = 'algoperf.unseen'  # With the name of the library.

_NAMES = """
  _dbm _gdbm _sqlite3 _tkinter readline
  cffi cv2 duckdb fastparquet grpc h5py lxml numba orbax pandas polars pyarrow
  pycurl sentencepiece tables tensorflow tensorstore tokenizers torch uvloop zmq
"""
LIBRARIES = frozenset(_NAMES.split())


def is_there(library: str) -> bool:
  """Whether it could be imported, as paths are now."""
  found = importlib.machinery.PathFinder.find_spec(library)
  return found is not None or library in sys.builtin_module_names


def installed() -> frozenset[str]:
  """Those that are there."""
  return frozenset(filter(is_there, LIBRARIES))


def library(module: str) -> str | None:
  """The library that a module is of, if it is one of these."""
  name = module.partition('.')[0]
  return name if name in LIBRARIES else None


def stand_in() -> None:
  """Has whoever imports what is loaded now get a stand-in for it."""
  for name, module in list(sys.modules.items()):
    if library(name) and isinstance(module, types.ModuleType):
      sys.modules[name] = _watched(library(name), module)


def _watched(library: str, module: types.ModuleType) -> types.ModuleType:
  """What does the same as a module, and tells of it."""

  class Watched(types.ModuleType):
    def __getattribute__(self, name: str) -> Any:
      if name[:2] != '__':  # Python looks at those itself.
        sys.audit(EVENT, library)
      return getattr(module, name)

    def __setattr__(self, name: str, value: Any) -> None:
      setattr(module, name, value)

  return Watched(module.__name__)
