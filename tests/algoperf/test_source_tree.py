"""Which files a submission is made of, and which names they use."""

import pathlib

import pytest

from algoperf import source_tree, sources, spec, submission


def _read(path: pathlib.Path) -> tuple[set[str], source_tree.SourceTree]:
  tree = source_tree.read(path)
  return {file.name for file in tree.files}, tree


def test_neighbours_are_found_by_name_relatively_and_from_above(
  write, tmp_path
):
  write('procedures/__init__.py')
  write('procedures/shared.py', 'import json\nfrom . import deep')
  write('procedures/deep.py')
  write('procedures/mine/beside.py')
  write('procedures/mine/dotted.py')
  write('procedures/mine/unused.py')
  path = write(
    'procedures/mine/submission.py',
    'import beside, numpy, jax.numpy\n'
    'from . import dotted\n'
    'def f():\n  from procedures.shared import something\n',
  )
  files, tree = _read(path)
  expected = {'submission.py', 'beside.py', 'dotted.py', 'shared.py', 'deep.py'}
  assert files == expected | {'__init__.py'}
  assert tree.search_path == [path.parent, tmp_path]
  assert tree.root == tmp_path / 'procedures'
  assert not tree.missing


def test_relative_imports_may_climb(write, tmp_path):
  write('algorithms/rates.py')
  path = write(
    'algorithms/mine/jax/submission.py', 'from ...rates import linear'
  )
  write('rates.py')
  _, tree = _read(path)
  assert tree.root == tmp_path / 'algorithms'
  path.write_text('from ....rates import linear')
  assert _read(path)[1].root == tmp_path


def test_a_neighbour_may_lie_where_an_installed_package_lacks_it(write):
  write('submissions/external_tuning/lion/rates.py')
  path = write(
    'submissions/external_tuning/lion/submission.py',
    'from submissions.external_tuning.lion import rates\n'
    'from submissions.nadamw import submission',
  )
  files, tree = _read(path)
  assert files == {'submission.py', 'rates.py'}
  assert tree.extensions == {'submissions': path.parents[2]}


def test_the_harness_is_never_read_from_the_repository_around(write):
  """Which may well hold AlgoPerf itself."""
  write('algoperf/pytorch_utils.py')
  write('algorithmic_efficiency/spec.py', 'import torch')
  path = write(
    'submission.py',
    'from algorithmic_efficiency import spec\nimport algoperf.pytorch_utils',
  )
  files, tree = _read(path)
  assert files == {'submission.py'}
  assert [use.name for use in tree.missing] == ['algoperf.pytorch_utils']


def test_only_what_runs_always_is_required(write):
  path = write(
    'submission.py',
    'import first_missing\n'
    'try:\n  import second_missing\nexcept ImportError: pass\n'
    'if False:\n  import third_missing\n'
    'def f():\n  import fourth_missing\n',
  )
  _, tree = _read(path)
  assert [(use.line, use.required) for use in tree.missing] == [
    (1, True),
    (3, False),
    (6, False),
    (8, False),
  ]


def test_names_are_followed_through_aliases(write):
  path = write(
    'submission.py',
    'import jax, functools\n'
    'import jax.numpy as jnp\n'
    'from jax import lax as l, pmap\n'
    'import optax.contrib\n'
    'from optax._src import transform\n'
    'def f(workload, x):\n'
    '  x = jnp.linalg.norm(x) + l.psum(x) + jnp.clip(x, a_min=0)\n'
    '  optax.contrib.sam()\n'
    '  workload.other.loss_fn(x, dropout_rate=0.1)\n'
    '  return jax.tree_map(transform.update_moment, x.jax.shape)\n',
  )
  names = _read(path)[1].names
  assert {
    'jax.numpy.linalg.norm',
    'jax.lax.psum',
    'jax.pmap',
    'jax.numpy.clip(a_min=)',
    '.loss_fn(dropout_rate=)',
    'optax.contrib.sam',
    'optax._src.transform.update_moment',
    'jax.tree_map',
  } <= names.keys()
  assert names['jax.tree_map'].line == 10
  assert not any('shape' in name for name in names)


@pytest.mark.parametrize(
  ('text', 'words'),
  [
    ('import nowhere_to_be_found', ['submission.py:1', 'pip install nowhere']),
    ('from algoperf import logger_utils', ['algoperf.logger_utils', 'spec']),
    ('import beside', ['beside.py:2', 'torch', 'JAX']),
    ('import broken', ['broken.py:1:']),
  ],
)
def test_what_cannot_run_is_refused_in_one_line(write, text, words):
  write('beside.py', '\nimport torch')
  write('broken.py', 'def f(:')
  path = write('submission.py', text + '\nfrom math import *')
  with pytest.raises(spec.UsageError) as error:
    submission.check(sources.locate(str(path)))
  assert '\n' not in str(error.value)
  for word in words:
    assert word in str(error.value)


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('import jax\nf = jax.pmap(len)', True),
    ('from jax import pmap', True),
    ('import jax\nf = jax.jit(len)', False),
    ('from flax import jax_utils', False),
    (
      'import jax\nfrom algoperf import jax_sharding_utils\njax.pmap(len)',
      False,
    ),
  ],
)
def test_pmap_means_an_axis_of_devices(write, text, expected):
  tree = source_tree.read(write('submission.py', text))
  assert submission.is_for_device_axis(tree) == expected
