"""Workloads are found by name, and by nothing else."""

import subprocess
import sys

import pytest

from algoperf import spec
import workloads
from workloads import registry


def test_every_name_gives_the_workload_of_that_name():
  for name in workloads.names():
    assert workloads.get(name).name == name


def test_bases_and_variants_are_there():
  expected = {
    base + suffix
    for base in ('imagenet_resnet', 'mnist_resnet')
    for suffix in ('', '_silu', '_gelu', '_large_bn_init')
  }
  assert expected <= set(workloads.names())


def test_an_unknown_name_is_answered_with_the_near_ones():
  with pytest.raises(spec.UsageError) as caught:
    workloads.get('mnist_resnt')
  message = str(caught.value)
  assert 'Did you mean mnist_resnet' in message
  assert 'imagenet_resnet' in message
  assert '\n' not in message


def test_a_name_is_registered_once():
  with pytest.raises(ValueError, match='mnist_resnet'):
    workloads.names()
    registry.register('mnist_resnet')(lambda: None)


def test_importing_workloads_imports_no_jax():
  code = 'import sys, workloads; sys.exit("jax" in sys.modules)'
  assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_get_gives_each_caller_a_workload_of_its_own():
  first, second = (workloads.get('mnist_resnet') for _ in range(2))
  assert first is not second
