"""Names that a training algorithm has no use for."""

import ast
from collections.abc import Iterator
import re

from algoperf import source_tree
from algoperf.lint.view import Breach, View, root, words

# Of the harness a submission may import these, as AlgoPerf's do.
_OURS = ('spec', 'jax_sharding_utils')

# Each name stands for what is in it, too; one with * for all that begin so.
_NAMES = {
  'harness': (
    '__main__ workloads tensorflow_datasets array_record grain tests scoring '
    'jax.live_arrays jax.clear_caches jax.monitoring jax.profiler'
  ),
  'process': (
    'subprocess multiprocessing pty os.system os.popen os.fork os.forkpty '
    'os.exec* os.spawn* os.posix_spawn* os.kill os.killpg os._exit os.abort '
    '_posixsubprocess'
  ),
  'thread': 'threading _thread concurrent asyncio contextvars queue',
  'network': (
    'socket socketserver ssl urllib http ftplib smtplib poplib imaplib '
    'telnetlib xmlrpc requests httpx aiohttp urllib3 boto3 wandb '
    'huggingface_hub'
  ),
  'native-code': (
    'ctypes _ctypes mmap numpy.ctypeslib jax.ffi jax.extend.ffi '
    'numpy.lib.stride_tricks.as_strided torch.utils.cpp_extension'
  ),
  'frames': (
    'gc sys._getframe sys._current_frames sys._current_exceptions '
    'sys.settrace sys.setprofile sys.monitoring sys.addaudithook sys.audit '
    'inspect.currentframe inspect.stack inspect.trace inspect.getouterframes '
    'inspect.getinnerframes traceback.walk_* logging.currentframe '
    'tracemalloc faulthandler bdb pdb'
  ),
  'internals': (
    'types.FunctionType types.CodeType types.CellType types.MethodType '
    'types.FrameType dis opcode builtins.super.__setattr__'
  ),
  'late-code': (
    'atexit signal _signal weakref sys.excepthook sys.unraisablehook '
    'sys.displayhook sys.exitfunc'
  ),
  'environment': (
    'os.environ os.environb os.getenv os.putenv os.unsetenv os.chdir os.umask '
    'os.nice os.setpriority os.sched_* resource sys.setswitchinterval '
    'sys.setrecursionlimit sys.setdlopenflags'
  ),
  'settings': 'jax.config jax.experimental.compilation_cache',
  'dynamic-code': (
    'builtins.exec builtins.eval builtins.compile builtins.__import__ '
    'builtins.globals importlib runpy code codeop marshal sys.modules '
    'sys.meta_path sys.path_hooks pickle dill cloudpickle shelve'
  ),
  'patching': 'builtins.__dict__ unittest mock wrapt forbiddenfruit',
}
_BY_RULE = [
  (rule, name) for rule, names in _NAMES.items() for name in names.split()
]
_FRAMES = words(
  'f_back f_locals f_globals f_builtins tb_frame tb_next gi_frame cr_frame '
  'ag_frame __traceback__'
)
_INTERNALS = words(
  '__code__ __globals__ __closure__ __builtins__ __defaults__ __kwdefaults__ '
  '__subclasses__ __bases__ __mro__ __self__ __func__ cell_contents '
  '__getattribute__ __loader__ __reduce__ __reduce_ex__ '
  'unsafe_buffer_pointer'
)
_CALLED_BY_OTHERS = words(
  '__del__ __array__ __jax_array__ __float__ __reduce__ __reduce_ex__ '
  '__getstate__'
)
_RUNNERS = words(
  'build_input_queue evaluate_split prepare_data with_goal '
  'attach_metrics_logger check_data require_data'
)
_MANGLED = re.compile('_[A-Za-z]+__[a-z]')  # Private to another's class.


def check(view: View) -> Iterator[Breach]:
  """Each forbidden name once a file, each attribute wherever it is."""
  seen = set()
  for node, name in _uses(view):
    for rule, entry in _matches(name):
      if (rule, entry) not in seen:
        seen.add((rule, entry))
        shown = name.removeprefix('builtins.')
        yield view.breach(node, rule, f'uses {shown}')
  yield from _attributes(view)
  yield from _late(view)


def _uses(view: View) -> Iterator[tuple[ast.AST, str]]:
  """Imports first, then expressions."""
  for node in view.of_type(ast.Import, ast.ImportFrom):
    for name in _imported(node):
      yield node, name
  for node in view.of_type(ast.Name, ast.Attribute, ast.Call, ast.Subscript):
    if name := view.dotted(node):
      yield node, name


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
  if isinstance(node, ast.Import):
    return [alias.name for alias in node.names]
  if node.level:
    return []
  return [f'{node.module}.{alias.name}' for alias in node.names]


def _matches(name: str) -> Iterator[tuple[str, str]]:
  ours = source_tree.harness_module(name)
  if ours and name not in source_tree.HARNESS_NAMES:
    module = ours.split('.')[1]
    if module not in _OURS:
      yield 'harness', module
  for rule, entry in _BY_RULE:
    if entry[-1] == '*':
      if name.startswith(entry[:-1]):
        yield rule, entry
    elif name == entry or name.startswith(f'{entry}.'):
      yield rule, entry


def _attributes(view: View) -> Iterator[Breach]:
  for node in view.nodes:
    match node:
      case ast.Attribute(attr=name):
        pass
      case ast.Call(
        func=ast.Name(id='getattr' | 'setattr' | 'hasattr' | 'delattr'),
        args=[_, ast.Constant(value=str(name)), *_],
      ):
        pass
      case _:
        continue
    if name in _RUNNERS and root(node) == 'workload':
      yield view.breach(node, 'harness', f"uses the runner's workload.{name}")
    elif name in _FRAMES:
      yield view.breach(node, 'frames', f'uses {name}')
    elif name in _INTERNALS or _MANGLED.match(name):
      yield view.breach(node, 'internals', f'uses {name}')


def _late(view: View) -> Iterator[Breach]:
  """Methods that others call without knowing."""
  for node in view.of_type(ast.FunctionDef):
    if node.name in _CALLED_BY_OTHERS:
      yield view.breach(
        node, 'late-code', f'defines {node.name}, which runs at any time'
      )
