"""Files and places that are not the submission's own."""

import ast
from collections.abc import Iterator
import re

from algoperf import unseen
from algoperf.lint.view import Breach, View, docstrings, words

# Functions that read, write or look for files.
_FUNCTIONS = words(
  """
  builtins.open io.open io.FileIO os.open os.read os.write os.fdopen os.listdir
  os.scandir os.walk os.remove os.unlink os.rename os.replace os.rmdir
  os.removedirs os.mkdir os.makedirs os.link os.symlink os.truncate os.chmod
  os.mkfifo os.memfd_create glob.glob glob.iglob
  numpy.load numpy.save numpy.savez numpy.savez_compressed numpy.loadtxt
  numpy.savetxt numpy.genfromtxt numpy.fromfile numpy.memmap
  jax.numpy.load jax.numpy.save jax.numpy.savez
  """
)
_MODULES = unseen.LIBRARIES | words(
  'shutil tempfile dbm sqlite3 tkinter zarr safetensors lzma bz2 gzip zipfile '
  'tarfile zipimport fileinput linecache fcntl joblib pathlib.os '
  'flax.training.checkpoints etils.epath'
)
_METHODS = words('read_text read_bytes write_text write_bytes tofile')
_ELSEWHERE = re.compile(
  r'(~|[A-Za-z]:\\|(file|gs|s3|https?|ftp)://'
  r'|/(home|root|tmp|var|usr|etc|dev|proc|sys|mnt|media|data|opt|srv|scratch'
  r'|Users|content|work|workspace|lib|lib64|run)(/|$))'
)


def check(view: View) -> Iterator[Breach]:
  """Files by functions and methods, and paths written out."""
  beside = _beside(view)
  for node in view.of_type(ast.Import, ast.ImportFrom):
    module = getattr(node, 'module', None) or node.names[0].name
    if any(
      module == name or module.startswith(f'{name}.') for name in _MODULES
    ):
      yield view.breach(node, 'file', f'uses {module}')
  for node in view.of_type(ast.Call):
    name = view.dotted(node.func)
    method = isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS
    if (name in _FUNCTIONS or method) and not beside(node):
      shown = (name or ast.unparse(node.func)).removeprefix('builtins.')
      yield view.breach(node, 'file', f'calls {shown}')
  ignored = docstrings(view.nodes)
  for node in view.of_type(ast.Constant):
    if (
      isinstance(node.value, str)
      and id(node) not in ignored
      and _ELSEWHERE.match(node.value)
    ):
      yield view.breach(node, 'path', f'names {node.value[:60]!r}')


def _beside(view: View) -> object:
  """Tells expressions that start from the file itself."""
  names = {'__file__'}
  for node in view.of_type(ast.Assign):
    match node:
      case ast.Assign(targets=[ast.Name(id=name)], value=value):
        if _mentions(value, names):
          names.add(name)
  return lambda node: _mentions(node, names)


def _mentions(node: ast.AST, names: set[str]) -> bool:
  return any(
    isinstance(part, ast.Name) and part.id in names for part in ast.walk(node)
  )
