"""Dry runs of submissions on the toy workload, each in a fork.

  python -m tests.algoperf.toy_dry_run SUBMISSION …

prints a line for each, in order: its findings, a JSON list.
"""

import dataclasses
import json
import os
import pathlib
import sys
import tempfile

from algoperf import dry_run, sources
from tests import toy
from workloads import registry


def _findings(reference: str) -> str:
  space = sources.locate(reference).search_space
  task = dry_run.Task(
    submission=reference,
    search_space=space and str(space),
    workload='toy',
    benchmark='mini',
    descriptor=-1,
  )
  with tempfile.TemporaryDirectory() as scratch:
    found = dry_run.DryRun(task, pathlib.Path(scratch)).findings()
    return json.dumps([dataclasses.asdict(finding) for finding in found])


def main(references: list[str]) -> None:
  registry._FAMILIES = ()
  registry.register('toy')(toy.Workload)
  with tempfile.TemporaryDirectory() as cache:
    dry_run.set_up_jax(pathlib.Path(cache))
    for reference in references:
      child = os.fork()
      if child == 0:
        print(_findings(reference), flush=True)
        os._exit(0)
      _, status = os.waitpid(child, 0)
      if status:
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == '__main__':
  main(sys.argv[1:])
