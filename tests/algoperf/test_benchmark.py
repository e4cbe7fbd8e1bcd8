"""Benchmark definitions: the ones that ship, and what is refused."""

import pathlib
import subprocess
import sys
import textwrap

import pytest

from algoperf import benchmark, spec

TEXT = textwrap.dedent("""\
  name = "toy"
  description = "two workloads"
  stop_at = ["validation", "test"]

  [scoring]
  study = "least_time"
  workload = "median"
  held_out = "both"
  max_ratio = 4.0
  integral = "exact"

  [rulesets.external]
  trials = 5
  studies = 3
  budget_factor = 1.0

  [rulesets.self]
  trials = 1
  studies = 2
  budget_factor = 1.5

  [workloads.lm]
  metric = "ppl"
  comparison = "<="
  validation_target = 8
  max_runtime = 100
  eval_period = 4
  step_hint = 1_000
  batch_size = 32
  target_source = "guessed"

  [workloads.lm_big]
  variant_of = "lm"
  test_target = 9.5
  batch_size = 16
  held_out = true

  [workloads.lm_new]
  variant_of = "lm"
  target_source = "not set yet"
""")


def refused(old: str, new: str) -> str:
  """The error about the text with one part replaced."""
  assert old in TEXT
  with pytest.raises(spec.UsageError) as error:
    benchmark.parse(TEXT.replace(old, new, 1), 'toy.toml')
  assert '\n' not in str(error.value)
  return str(error.value)


def test_reads_every_field():
  toy = benchmark.parse(TEXT, 'toy.toml')
  assert (toy.name, toy.description) == ('toy', 'two workloads')
  assert toy.stop_at == ('validation', 'test')
  assert toy.precision == 'float32'
  assert toy.scoring == benchmark.Scoring(
    study='least_time',
    workload='median',
    held_out='both',
    max_ratio=4.0,
    integral='exact',
  )
  assert toy.rulesets['self'] == benchmark.Ruleset(
    name='self', trials=1, studies=2, budget_factor=1.5
  )
  assert toy.row('lm') == benchmark.WorkloadRow(
    name='lm',
    variant_of=None,
    held_out=False,
    target_source='guessed',
    goal=spec.Goal(
      metric='ppl',
      comparison='<=',
      validation_target=8.0,
      test_target=None,
      max_runtime=100.0,
      eval_period=4.0,
      step_hint=1000,
      batch_size=32,
    ),
  )


def test_variants_inherit_all_but_the_targets():
  toy = benchmark.parse(TEXT, 'toy.toml')
  big, new = toy.row('lm_big'), toy.row('lm_new')
  assert (big.goal.metric, big.goal.step_hint) == ('ppl', 1000)
  assert (big.goal.batch_size, new.goal.batch_size) == (16, 32)
  assert (big.goal.validation_target, big.goal.test_target) == (None, 9.5)
  assert (new.goal.validation_target, new.goal.test_target) == (None, None)
  assert (big.target_source, new.target_source) == ('guessed', 'not set yet')
  assert toy.base == ('lm',)
  assert toy.scored == ('lm', 'lm_big')


def test_digest_sees_content_and_not_its_form():
  digest = benchmark.parse(TEXT, 'toy.toml').digest
  head, tail = TEXT.split('[workloads.lm_new]')
  moved = head.replace(
    '[workloads.lm]', f'[workloads.lm_new]{tail}\n# here\n[workloads.lm]'
  )
  assert benchmark.parse(moved, 'other.toml').digest == digest
  prose = TEXT.replace('two workloads', 'some').replace('guessed', 'known')
  prose = prose.replace('max_ratio = 4.0', 'max_ratio = 5.0')
  assert benchmark.parse(prose, 'toy.toml').digest == digest
  for old, new in (
    ('validation_target = 8', 'validation_target = 8.01'),
    ('"<="', '"<"'),
    ('studies = 2', 'studies = 3'),
    ('["validation", "test"]', '["validation"]'),
    ('held_out = true', 'held_out = false'),
    ('name = "toy"\n', 'name = "toy"\nprecision = "tensorfloat32"\n'),
  ):
    assert benchmark.parse(TEXT.replace(old, new), 'a').digest != digest, old


@pytest.mark.parametrize(
  ('old', 'new', 'error'),
  [
    (
      'stop_at =',
      'precision = "default"\nstop_at =',
      "toy.toml:3: precision: 'default' is not allowed; it must be one of "
      "'float32', 'tensorfloat32', 'bfloat16'",
    ),
    (
      'stop_at =',
      'stopat =',
      'toy.toml:3: stopat: unknown key; did you mean stop_at?',
    ),
    (
      'trials = 5\n',
      '',
      'toy.toml:12: rulesets.external.trials: this key is missing',
    ),
    (
      'metric = "ppl"\n',
      '',
      'toy.toml:22: workloads.lm.metric: this key is missing',
    ),
    ('name = "toy"\n', '', 'toy.toml: name: this key is missing'),
    (
      'trials = 1',
      'trials = 1.5',
      'toy.toml:18: rulesets.self.trials: 1.5 is not allowed; it must be a '
      'whole number above 0',
    ),
    (
      'trials = 1',
      'trials = true',
      'toy.toml:18: rulesets.self.trials: True is not allowed; it must be a '
      'whole number above 0',
    ),
    (
      'max_runtime = 100',
      'max_runtime = -1',
      'toy.toml:26: workloads.lm.max_runtime: -1 is not allowed; it must be a '
      'finite number above 0',
    ),
    (
      'validation_target = 8',
      'validation_target = nan',
      'toy.toml:25: workloads.lm.validation_target: nan is not allowed; it '
      'must be a finite number',
    ),
    (
      '"both"',
      '"some"',
      "toy.toml:8: scoring.held_out: 'some' is not allowed; it must be one of "
      "'none', 'both'",
    ),
    (
      '["validation", "test"]',
      '["validation", "validation"]',
      "toy.toml:3: stop_at: ['validation', 'validation'] is not allowed; it "
      "must be a list of one or more of 'validation', 'test', each once",
    ),
    (
      'max_ratio = 4.0',
      'max_ratio = 1',
      'toy.toml:9: scoring.max_ratio: 1 is not allowed; it must be a finite '
      'number above 1',
    ),
    (
      '"<="',
      '">="',
      "toy.toml:24: workloads.lm.comparison: '>=' does not suit 'ppl'; it "
      "must be '<=' or '<'",
    ),
    (
      'variant_of = "lm"',
      'variant_of = "ml"',
      "toy.toml:33: workloads.lm_big.variant_of: 'ml' is no base workload of "
      'this file; did you mean lm?',
    ),
    (
      'variant_of = "lm"\ntarget',
      'variant_of = "lm_big"\ntarget',
      "toy.toml:39: workloads.lm_new.variant_of: 'lm_big' is no base workload "
      'of this file; did you mean lm?',
    ),
    (
      'held_out = true',
      'held_out = "yes"',
      "toy.toml:36: workloads.lm_big.held_out: 'yes' is not allowed; it must "
      'be true or false',
    ),
    (
      'batch_size = 32\n',
      'batch_size = 32\nheld_out = true\n',
      'toy.toml:30: workloads.lm.held_out: unknown key; choose from metric, ',
    ),
    (
      '[workloads.lm_new]',
      '[workloads.lm_big]',
      'toy.toml: not valid TOML: Cannot declare ',
    ),
    (
      '[workloads.lm]',
      '[workloads]\nx = 3\n[workloads.lm]',
      'toy.toml:23: workloads.x: 3 is no table',
    ),
    (
      '[rulesets.self]',
      '[rulesets.own]',
      'toy.toml:17: rulesets.own: unknown key; choose from external, self',
    ),
  ],
)
def test_names_what_is_wrong_and_where(old: str, new: str, error: str):
  assert refused(old, new).startswith(error)


def test_names_near_matches():
  with pytest.raises(spec.UsageError, match=r"'minni'.*did you mean mini"):
    benchmark.load('minni')
  with pytest.raises(spec.UsageError, match='did you mean wmt_glu_tanh'):
    benchmark.load('core').row('wmt_glu_tahn')


def test_reads_a_file_of_ones_own(tmp_path: pathlib.Path):
  path = tmp_path / 'own.toml'
  path.write_text(TEXT)
  assert benchmark.load(path) == benchmark.parse(TEXT, '')
  with pytest.raises(spec.UsageError, match='No such file'):
    benchmark.load(tmp_path / 'none.toml')
  path.write_bytes(b'\xff\xfe')
  with pytest.raises(spec.UsageError, match=r'own\.toml: not a UTF-8 text'):
    benchmark.load(path)


@pytest.mark.parametrize('name', benchmark.available())
def test_shipped_definitions_are_sound(name: str):
  definition = benchmark.load(name)
  assert definition.name == name
  for row in definition.workloads:
    assert row.goal.comparison in ('>=', '<='), 'one comparison for all'
    assert row.goal.eval_period < row.goal.max_runtime
    assert row.name.startswith(row.variant_of or '')
  for workload in definition.scored:
    assert definition.row(workload).goal.validation_target is not None


def test_shipped_benchmarks_differ_as_their_rules_do():
  assert benchmark.available() == [
    'algoperf-0.5',
    'algoperf-0.6',
    'core',
    'mini',
  ]
  mini, core, v05, v06 = map(
    benchmark.load, ('mini', 'core', 'algoperf-0.5', 'algoperf-0.6')
  )
  sizes = [(len(b.base), len(b.scored)) for b in (mini, core, v05, v06)]
  assert sizes == [(3, 3), (3, 3), (8, 14), (9, 9)]
  assert mini.stop_at == ('validation',)
  assert core.stop_at == v05.stop_at == v06.stop_at == ('validation', 'test')
  assert [b.scoring.held_out for b in (v05, v06)] == ['both', 'none']
  assert [b.rulesets['self'].budget_factor for b in (v05, v06)] == [3.0, 1.5]
  assert [b.rulesets['external'].studies for b in (v05, v06)] == [5, 3]
  assert v05.row('wmt').goal.max_runtime == 48_151
  assert v06.row('wmt').goal.max_runtime == 43_336
  assert core.row('lm1b').goal.validation_target is None
  assert 'lm1b' not in core.scored
  assert core.row('wmt_post_ln').goal.validation_target == 30.0779
  assert core.row('wmt_post_ln').goal.max_runtime == 16_114
  assert core.row('imagenet_resnet_silu').goal.batch_size == 512


def test_imports_nothing_heavy():
  code = (
    'import sys, algoperf.benchmark; '
    'print({"jax", "numpy", "matplotlib"} & set(sys.modules) or "light")'
  )
  shown = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert shown.stdout == 'light\n'
