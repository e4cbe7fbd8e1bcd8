"""Each cheat is without effect, or found and named; no honest one is."""

import json
import pathlib
import subprocess
import sys
import textwrap

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
_CHEATS = _ROOT / 'tests' / 'cheats'

# What is said of each cheat.
_FOUND = {
  'at_exit': 'runs code at exit in at_exit.py:13',
  'clock_set_back': 'its clock counts',
  'environment': 'changes an environment variable in environment.py',
  'environment_without_report': 'changes environment variable XLA_FLAGS',
  'forged_code': 'passes code off as',
  'fork': 'starts a process in fork.py',
  'frames': 'looks at frames in frames.py',
  'frames_by_inspect': 'looks at frames in frames_by_inspect.py',
  'frames_by_traceback': 'looks at frames in frames_by_traceback.py',
  'frames_of_queue': 'looks at frames in frames_of_queue.py',
  'garbage': 'searches the objects of the process in garbage.py',
  'import_time': 'changes jax.config.jax_debug_nans',
  'logs_results': "logs 'validation/accuracy'",
  'native_code': 'uses native code in native_code.py',
  'network': 'uses the network in network.py',
  'number_of_examples': 'alters workload.num_train_examples',
  'patched_base_target_test': 'changes algoperf.spec.Goal.reached',
  'patched_builtin': 'changes builtins.float',
  'patched_clock': 'changes algoperf.clock.SubmissionClock.timed',
  'patched_clock_for_once': 'changes algoperf.clock.SubmissionClock.enter',
  'patched_code': 'alters algoperf.evaluation.is_finite',
  'patched_evaluation': 'changes algoperf.evaluation._PREFIXES',
  'patched_fence': 'changes jax.block_until_ready',
  'patched_jnp': 'changes jax.numpy.asarray',
  'patched_loss': 'changes tests.toy.Workload.loss_fn',
  'patched_monotonic': 'changes time.monotonic',
  'patched_perf_counter': 'changes time.perf_counter',
  'patched_time': 'changes time.time',
  'precision': 'changes jax.config.jax_default_matmul_precision',
  'process': 'starts a process (true) in process.py',
  'process_by_multiprocessing': 'starts a process',
  'removes_records': 'alters ',
  'replaced_module': 'changes module algoperf.records',
  'set_target_on_workload': 'alters workload._goal',
  'shadowed_builtin': 'changes algoperf.evaluation.float',
  'signals': 'handles signals in signals.py',
  'stored_weights': 'reads ',
  'thread': 'a thread of its own worked',
  'thread_by_hand': 'starts a thread by hand in thread_by_hand.py',
  'thread_of_library_code': 'a thread of its own worked',
  'traces': 'traces the process in traces.py',
  'validation_files': 'reads benchmark data (',
  'validation_queue': 'calls workload.build_input_queue',
  'validation_records': 'reads benchmark data (',
  'works_when_evaluated': 'copy ran during an evaluation',
  'writes_records': 'writes ',
}
# What ends just as this does, as if nothing had been tried.
_WITHOUT_EFFECT = {
  'late_scalar': 'honest',
  'patched_model_instance': 'honest',
  'patched_target_test': 'honest',
  'patched_target_value': 'honest',
  'altered_results': 'idle',
}
# Those that need seconds, or say again what another says.
_LONG = {
  'environment_without_report',
  'fork',
  'frames_by_inspect',
  'frames_of_queue',
  'native_code',
  'number_of_examples',
  'patched_builtin',
  'patched_jnp',
  'patched_perf_counter',
  'patched_time',
  'process',
  'process_by_multiprocessing',
  'removes_records',
  'replaced_module',
  'shadowed_builtin',
  'thread_by_hand',
  'traces',
  'validation_files',
}
_SHORT = sorted((_FOUND.keys() | _WITHOUT_EFFECT.keys()) - _LONG)


def _run(paths, data_dir):
  output = subprocess.run(
    [sys.executable, '-m', 'tests.cheats.run', data_dir, *paths],
    cwd=_ROOT,
    check=True,
    stdout=subprocess.PIPE,
    text=True,
  ).stdout
  found = {}
  for line in output.splitlines():
    if line.startswith('{'):
      found |= json.loads(line)
  return found


def _paths(names):
  return [str(_CHEATS / f'{name}.py') for name in names]


@pytest.fixture(scope='module')
def outcomes(data_dir):
  return _run(_paths(['honest', 'idle', *_SHORT]), data_dir)


@pytest.fixture(scope='module')
def more_outcomes(data_dir):
  return _run(_paths(sorted(_LONG)), data_dir)


def test_every_cheat_is_expected_to_come_to_something():
  there = {path.stem for path in _CHEATS.glob('*.py')}
  honest = {'run', 'honest', 'idle'}
  assert there - honest == _FOUND.keys() | _WITHOUT_EFFECT.keys()


@pytest.mark.parametrize('name', ['honest', 'idle'])
def test_an_honest_one_is_not_flagged(name, outcomes):
  assert outcomes[name]['violations'] == []
  assert outcomes[name]['status'] == 'max_steps'
  assert len(outcomes[name]['rows']) == 3


@pytest.mark.parametrize('name', sorted(_FOUND.keys() - _LONG))
def test_a_cheat_is_found_and_named(name, outcomes):
  _check_found(outcomes[name], _FOUND[name])


@pytest.mark.long
@pytest.mark.parametrize('name', sorted(_LONG))
def test_another_cheat_is_found_and_named(name, more_outcomes):
  _check_found(more_outcomes[name], _FOUND[name])


_HONEST = sorted(
  [str(p.parent) for p in (_ROOT / 'submissions').glob('*/submission.py')]
  + [str(p) for p in (_ROOT / 'algoperf' / 'templates').glob('*.py')]
)


@pytest.mark.long
def test_pickling_for_worker_processes_is_no_change():
  """Which has Python keep a name in the class of what is pickled."""
  code = textwrap.dedent("""\
    import pickle
    from algoperf import blame, references
    from workloads.data import ahead
    def changed():
      before = references.References(blame.Origins([]))
      pickle.dumps(ahead._Transfers([], range(0), 1))
      assert '__slotnames__' in vars(ahead._Transfers)
      yield before.changed()
      ahead._Transfers.another = 1
      yield before.changed()
    found = [*changed()]
    assert found == [[], ['workloads.data.ahead._Transfers.another']], found
    """)
  subprocess.run([sys.executable, '-c', code], check=True, cwd=_ROOT)


def test_no_submission_of_ours_is_flagged(data_dir):
  outcomes = _run(_HONEST, data_dir)
  assert len(outcomes) == len(_HONEST)
  for name, outcome in outcomes.items():
    assert outcome['violations'] == [], name
    assert outcome['status'] == 'max_steps', (name, outcome['message'])


def _check_found(outcome, words):
  assert outcome['status'] == 'disqualified'
  assert words in outcome['message']
  assert outcome['message'] == outcome['violations'][0]


@pytest.mark.parametrize('name', sorted(_WITHOUT_EFFECT))
def test_a_cheat_has_no_effect(name, outcomes):
  assert outcomes[name] == outcomes[_WITHOUT_EFFECT[name]]
