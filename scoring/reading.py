"""All that is read from disk for a question. Imports fast."""

import collections
from collections.abc import Iterable, Mapping
import dataclasses
import os

from algoperf import spec
from scoring import layout, logs, notices, trial_files

Paths = Iterable[str | os.PathLike[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
  """What is below some paths.

  Attributes:
    logs: of the workloads that were asked for.
    others: how many trials there are of other workloads.
    archived: by path, the files of trials that lie in archives.
    notices: what was found wanting on the way to the logs.
  """

  logs: logs.Logs
  others: Mapping[str, int]
  archived: Mapping[str, Mapping[str, bytes]]
  notices: list[notices.Notice]

  def file(self, trial: str, name: str) -> bytes:
    """A file of the trial that has this path.

    Raises:
      OSError: there is none, or it cannot be read.
    """
    return trial_files.content(trial, self.archived.get(trial), name)


def nothing() -> Reading:
  """What there is without a path."""
  return Reading(logs=logs.read([], {}), others={}, archived={}, notices=[])


def read(paths: Paths, metrics: Mapping[str, str]) -> Reading:
  """Reads the trials of some workloads.

  Args:
    paths: directories of any level of the layout, or archives (`layout.find`).
    metrics: workload → the metric that counts.

  Raises:
    UsageError: there are no trials of these workloads.
  """
  found, noticed, experiments = layout.find(paths)
  numbers = collections.Counter(trial.workload for trial in found)
  others = {n: numbers[n] for n in sorted(numbers) if n not in metrics}
  if len(others) == len(numbers):
    raise spec.UsageError(
      f'no trials of {", ".join(metrics)}; those found are of '
      f'{", ".join(others)}: choose them with --benchmark or --workloads'
    )
  read_logs = logs.read(found, metrics)
  if experiments.beside or any(r.ledger for r in read_logs.records):
    from scoring import ledgers  # Published logs do without.

    noticed += ledgers.check(experiments, metrics)
    noticed += ledgers.absent(experiments, read_logs.records)
  return Reading(
    logs=read_logs,
    others=others,
    archived={t.path: t.files for t in found if t.files is not None},
    notices=noticed,
  )
