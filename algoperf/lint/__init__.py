"""Rules that can be read from a submission's source: nothing of it runs.

Source can say one thing and do another, so that a submission without breaches
is not yet an honest one: trials are watched as well (`integrity`). What can be
read is told before hours are spent, and to a reviewer with file and line.
"""

from collections.abc import Collection, Iterator

from algoperf import source_tree
from algoperf.lint import detection, files, names, patching, signatures, space
from algoperf.lint.view import Breach, View

# What each rule asks for.
RULES = {
  'signature': 'see submissions/README.md for what each function gets.',
  'harness': 'a submission imports algoperf.spec and its own neighbours.',
  'process': 'a submission starts and ends no processes.',
  'thread': 'a submission runs in the thread that calls it.',
  'network': 'a submission uses no network.',
  'native-code': 'a submission is Python that runs JAX.',
  'frames': 'a submission keeps to what it is given.',
  'internals': 'a submission keeps to what it is given.',
  'late-code': 'code runs while a function of the submission is called.',
  'environment': 'the environment and the machine stay as they are.',
  'settings': "JAX's settings are the benchmark's.",
  'dynamic-code': 'write it out, so that it can be read.',
  'patching': 'what belongs to others stays as it is: make a copy.',
  'file': 'what it needs lies beside it, in a .py or .json: use __file__.',
  'path': 'a path of one machine: what it needs lies beside it.',
  'workload-name': 'only get_batch_size may look at the name of a workload.',
  'workload-detection': 'the algorithm is the same for every workload.',
  'search-space': 'one space serves all workloads, and has what is read.',
}

_CHECKS = (
  signatures.check,
  names.check,
  patching.check,
  files.check,
  detection.check,
  space.check,
)


def read(
  tree: source_tree.SourceTree,
  workloads: Collection[str],
  hyperparameters: Collection[str] | None = None,
) -> Iterator[Breach]:
  """What breaks a rule in the files of a submission, in their order.

  Args:
    tree: the submission.
    workloads: names that only the choice of a batch size may depend on.
    hyperparameters: names of the search space; None if it cannot be read.
  """
  for path, module in tree.files.items():
    view = View(
      path,
      module,
      main=path == tree.path,
      neighbours=tree.neighbours,
      workloads=workloads,
      hyperparameters=hyperparameters,
    )
    found = {breach for check in _CHECKS for breach in check(view)}
    yield from sorted(found)
