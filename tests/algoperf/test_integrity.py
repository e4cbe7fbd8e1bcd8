"""Each cheat is without effect, or found and named; no honest one is."""

import json
import pathlib
import subprocess
import sys
import textwrap

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
_CHEATS = _ROOT / 'tests' / 'cheats'

# What is said of each cheat that does it all in one call: a step does them all.
_AT_ONCE = {
  'added_lowering': 'changes jax._src.interpreters.mlir._platform_specific',
  'at_exit': 'runs code at exit in at_exit.py:13',
  'by_harness': 'in by_harness.py',
  'changed_directory': 'in changed_directory.py',
  'closures': 'changes flax.linen.module.apply',
  'defaults': 'changes algoperf.clock.SubmissionClock.enter',
  'descriptor': 'uses a file by its number in descriptor.py',
  'descriptor_by_connection': 'uses a file by its number in descriptor_by_c',
  'descriptor_by_number': 'uses a file by its number in descriptor_by_numbe',
  'dir_fd': 'opens the relative path experiment/kept in dir_fd.py',
  'dir_fd_rename': 'in dir_fd_rename.py',
  'environment': 'changes an environment variable in environment.py',
  'environment_without_report': 'changes environment variable XLA_FLAGS',
  'forged_by_loader': 'in forged_by_loader.py:9',
  'forged_bytecode': 'in forged_bytecode.py',
  'forged_code': 'passes code off as',
  'forged_line': 'passes code off as',
  'forged_tree': 'makes code by hand in forged_tree.py',
  'frames': 'looks at frames in frames.py',
  'frames_by_callback': 'looks at frames in frames_by_callback.py',
  'frames_by_copying': 'looks at frames in frames_by_copying.py',
  'frames_by_getter': 'looks at frames in frames_by_getter.py',
  'frames_by_inspect': 'looks at frames in frames_by_inspect.py',
  'frames_by_logging': 'looks at frames in frames_by_logging.py',
  'frames_by_traceback': 'looks at frames in frames_by_traceback.py',
  'frames_by_walking': 'looks at frames in frames_by_walking.py',
  'frames_of_coroutine': 'looks at frames in frames_of_coroutine.py',
  'frames_of_generator': 'looks at frames in frames_of_generator.py',
  'frames_of_queue': 'looks at frames in frames_of_queue.py',
  'frames_of_threads': 'searches the objects of the process in frames_of_th',
  'garbage': 'searches the objects of the process in garbage.py',
  'hidden_method': 'changes jax._src.lax.lax.argmax_p.bind',
  'hidden_method_of_class': 'changes sacrebleu.metrics.bleu.BLEU.corpus_score',
  'keyword_defaults': 'changes jax._src.nn.functions.one_hot(axis=)',
  'logs_results': "logs 'validation/accuracy'",
  'long_source': 'bytes of source with weights.json, more than an algori',
  'memory_file': 'in memory_file.py',
  'mutated_table': 'changes tests.toy.SPLIT_SIZES',
  'native_code': 'uses native code in native_code.py',
  'network': 'uses the network in network.py',
  'number_of_examples': 'alters workload.num_train_examples',
  'numpy_save': 'in numpy_save.py',
  'patched_array': 'ArrayImpl.__matmul__',  # Of the names that it has, one.
  'patched_base_target_test': 'changes algoperf.spec.Goal.reached',
  'patched_by_type': 'changes algoperf.clock.SubmissionClock.timed',
  'patched_code': 'alters algoperf.evaluation.is_finite',
  'patched_constant': 'changes sacrebleu.metrics.bleu.MAX_NGRAM_ORDER',
  'patched_contextlib': 'changes contextlib.suppress',
  'patched_evaluation': 'changes algoperf.evaluation._PREFIXES',
  'patched_fence': 'changes jax.block_until_ready',
  'patched_globals': 'changes tests.toy.jnp',
  'patched_jax_core': 'changes jax._src.interpreters.mlir.lower_jaxpr_to_mo',
  'patched_jnp': 'changes jax.numpy.asarray',
  'patched_loss': 'changes tests.toy.Workload.loss_fn',
  'patched_lowering': 'changes jax._src.interpreters.mlir._lowerings',
  'patched_mode': 'changes algoperf.spec.ForwardPassMode.__eq__',
  'patched_monotonic': 'changes time.monotonic',
  'patched_numpy_core': 'changes numpy._core._methods.umr_sum',
  'patched_perf_counter': 'changes time.perf_counter',
  'patched_primitive': 'changes jax._src.lax.lax.argmax_p.abstract_eval',
  'patched_sum': 'changes builtins.sum',
  'patched_time': 'changes time.time',
  'patched_tokenizer': 'changes sacrebleu.metrics.bleu._TOKENIZERS',
  'pathlib_write': 'in pathlib_write.py',
  'planted_module': 'changes module sacrebleu.tokenizers.tokenizer_zh',
  'precision': 'changes jax.config.jax_default_matmul_precision',
  'process': 'starts a process (true) in process.py',
  'process_by_copy': 'starts a process in process_by_copy.py',
  'raised_signal': 'sends a signal in raised_signal.py',
  'records_writer': 'in records_writer.py',
  'removes_records': 'in removes_records.py',
  'replaced_module': 'changes module algoperf.seeds',
  'set_target_on_workload': 'alters workload._goal',
  'shadowed_builtin': 'changes algoperf.evaluation.float',
  'shadowed_in_library': 'changes sacrebleu.metrics.bleu.min',
  'shared_config': 'changes tests.toy._GOAL',
  'shared_memory': 'in shared_memory.py',
  'signal_below': 'handles signals in signal_below.py',
  'signals': 'handles signals in signals.py',
  'stored_weights': 'in stored_weights.py',
  'symbolic_link': 'in symbolic_link.py',
  'thread_by_hand': 'starts a thread by hand in thread_by_hand.py',
  'trace_by_threading': 'traces the process in trace_by_threading.py',
  'traces': 'traces the process in traces.py',
  'traces_by_callback': 'traces the process in traces_by_callback.py',
  'unseen_library': 'uses pyarrow, which opens files unseen, in unseen_lib',
  'unseen_loaded': 'uses sentencepiece, which opens files unseen, in unseen',
  'validation_files': 'in validation_files.py',
  'validation_queue': 'calls workload.build_input_queue',
  'validation_records': 'in validation_records.py',
  'weights_by_harness': 'weights.npy in weights_by_harness.py',
  'writes_records': 'in writes_records.py',
  'swapped_class': 'in swapped_class.py',  # Last, as it leaves no watch behind.
}
# Of each that needs a trial of its own.
_ALONE = {
  'clock_set_back': 'its clock counts',
  'flatten': '_flatten (flatten.py:10) ran during an evaluation',
  'fork': 'starts a process in fork.py',
  'import_time': 'changes jax.config.jax_debug_nans',
  'listener': 'ran during an evaluation',
  'patched_builtin': 'changes builtins.float',
  'patched_clock': 'changes algoperf.clock.SubmissionClock.timed',
  'patched_clock_for_once': 'changes algoperf.clock.SubmissionClock.enter',
  'pickled_state': '__reduce__ (pickled_state.py:7) ran for ',
  'pool': 'a thread of its own worked',
  'process_by_multiprocessing': 'starts a process',
  'reloaded': 'changes algoperf.evaluation.',
  'runs_in_init': 'in init_optimizer_state, which is not timed, in runs_in_i',
  'thread': 'a thread of its own worked',
  'thread_of_library_code': 'a thread of its own worked',
  'weak_callback': 'ran during an evaluation',
  'works_when_evaluated': 'copy (works_when_evaluated.py:23) ran during an eva',
}
# What ends just as this does, as if nothing had been tried; those that follow
# the honest one all in one trial.
_WITHOUT_EFFECT = {
  'audit_by_stand_in': 'honest',
  'guard_in_reach': 'honest',
  'late_scalar': 'honest',
  'patched_model_instance': 'honest',
  'patched_target_test': 'honest',
  'patched_target_value': 'honest',
  'altered_results': 'idle',
}
# Those that say again what another says.
_LONG = {
  'flatten',
  'fork',
  'listener',
  'patched_builtin',
  'patched_clock',
  'pool',
  'process_by_multiprocessing',
  'reloaded',
  'thread_of_library_code',
  'weak_callback',
}
_NO_CHEATS = ('honest', 'idle', 'busy')
_HARMLESS = [name for name, like in _WITHOUT_EFFECT.items() if like == 'honest']
_LIKE_HARMLESS = ['idle'] * len(_HARMLESS)  # They draw as many batches.
_FOUND = _AT_ONCE | _ALONE


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


def _together(names):
  return '+'.join(_paths(names))


@pytest.fixture(scope='module')
def outcomes(data_dir):
  alone = [*_NO_CHEATS, 'altered_results', *sorted(_ALONE.keys() - _LONG)]
  joined = map(_together, (_AT_ONCE, _HARMLESS, _LIKE_HARMLESS))
  return _run([*_paths(alone), *joined], data_dir)


def test_every_cheat_is_expected_to_come_to_something():
  there = {path.stem for path in _CHEATS.glob('*.py')}
  others = {'run', 'together', *_NO_CHEATS}
  assert there - others == _FOUND.keys() | _WITHOUT_EFFECT.keys()
  assert not _AT_ONCE.keys() & _ALONE.keys()


@pytest.mark.parametrize('name', _NO_CHEATS)
def test_an_honest_one_is_not_flagged(name, outcomes):
  assert outcomes[name]['violations'] == []
  assert outcomes[name]['status'] == 'max_steps'
  assert len(outcomes[name]['rows']) == 3


@pytest.mark.parametrize('name', sorted(_AT_ONCE))
def test_a_cheat_among_others_is_found_and_named(name, outcomes):
  outcome = outcomes['+'.join(_AT_ONCE)]
  assert outcome['status'] == 'disqualified'
  assert any(_AT_ONCE[name] in said for said in outcome['violations'])


@pytest.mark.parametrize('name', sorted(_ALONE.keys() - _LONG))
def test_a_cheat_is_found_and_named(name, outcomes):
  assert _is_found(outcomes[name], _FOUND[name]), outcomes[name]


@pytest.mark.long
def test_each_cheat_by_itself_is_found_and_named(data_dir):
  outcomes = _run(_paths(sorted(_FOUND)), data_dir)
  missed = {
    name: outcomes[name]
    for name, words in _FOUND.items()
    if not _is_found(outcomes[name], words)
  }
  assert missed == {}


_HONEST = sorted(
  [str(p.parent) for p in (_ROOT / 'submissions').glob('*/submission.py')]
  + [str(p) for p in (_ROOT / 'algoperf' / 'templates').glob('*.py')]
)


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


@pytest.mark.long
def test_no_submission_of_ours_is_flagged(data_dir):
  outcomes = _run(_HONEST, data_dir)
  assert len(outcomes) == len(_HONEST)
  for name, outcome in outcomes.items():
    assert outcome['violations'] == [], name
    assert outcome['status'] == 'max_steps', (name, outcome['message'])


def _is_found(outcome, words):
  status, message = outcome['status'], outcome['message']
  first = outcome['violations'][:1]
  return status == 'disqualified' and words in message and first == [message]


def test_cheats_have_no_effect(outcomes):
  found = outcomes['+'.join(_HARMLESS)]
  assert found['violations'] == []
  assert found == outcomes['+'.join(_LIKE_HARMLESS)]
  assert outcomes['altered_results'] == outcomes['idle']
