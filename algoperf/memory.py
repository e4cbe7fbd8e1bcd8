"""How much memory a trial may take, and whether it ran out."""

import contextlib
import pathlib

import psutil

_SHARE = 0.9  # The rest is the system's and the parent's.
_GROUP = pathlib.Path('/sys/fs/cgroup')
_SYSTEM_KILLS = pathlib.Path('/proc/vmstat')
_OWN_SCORE = pathlib.Path('/proc/self/oom_score_adj')


def limit() -> int:
  """Bytes that a trial's processes may hold: nine tenths of what there is.

  What there is: the machine's memory, or that of this container if it is less.
  """
  total = psutil.virtual_memory().total
  for name in ('memory.max', 'memory/memory.limit_in_bytes'):
    with contextlib.suppress(OSError, ValueError):  # 'max' is no number.
      total = min(total, int((_GROUP / name).read_text()))
  return int(_SHARE * total)


def used(process_id: int) -> int:
  """Bytes of their own that a process and its descendants hold."""
  total = 0
  with contextlib.suppress(psutil.Error):
    process = psutil.Process(process_id)
    for one in (process, *process.children(recursive=True)):
      with contextlib.suppress(psutil.Error):
        memory = one.memory_info()
        total += memory.rss - getattr(memory, 'shared', 0)
  return total


def kills() -> int:
  """Processes that the kernel has ended so far for want of memory."""
  for path in (_GROUP / 'memory.events', _SYSTEM_KILLS):
    with contextlib.suppress(OSError, ValueError):
      for line in path.read_text().splitlines():
        name, _, count = line.partition(' ')
        if name == 'oom_kill':
          return int(count)
  return 0


def volunteer() -> None:
  """Has the kernel end this process first where memory runs out."""
  with contextlib.suppress(OSError):
    _OWN_SCORE.write_text('1000')
