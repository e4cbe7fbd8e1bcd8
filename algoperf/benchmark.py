"""Benchmark definitions: which workloads, targets, budgets and scoring rules.

A definition is one TOML file; those in `algoperf/benchmarks` go by name. The
runner and the scoring read the same numbers from it, so they cannot disagree.
"""

from collections.abc import Mapping
import dataclasses
import functools
import hashlib
from importlib import resources
import json
import os
import pathlib
from typing import Any

from algoperf import checked_toml, spec

RULESETS = ('external', 'self')
# JAX's names. Left to itself, each kind of device has another one.
PRECISIONS = ('float32', 'tensorfloat32', 'bfloat16')
HIGHER_IS_BETTER = {
  'accuracy': True,
  'bleu': True,
  'mean_average_precision': True,
  'ssim': True,
  'ctc_loss': False,
  'loss': False,
  'ppl': False,
  'wer': False,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ruleset:
  """How often a submission trains a workload, and for how long."""

  name: str  # 'external': tuned by trials; 'self': no tuning, longer budget.
  trials: int  # In one study; the fastest of them counts.
  studies: int  # Repetitions; their median counts.
  budget_factor: float  # Multiplies every workload's max_runtime.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scoring:
  """How times become a score (AlgoPerf, arXiv 2306.07179, section 4).

  Attributes:
    study: which of a study's trials counts: the one that took the 'least_time'
      to the target, or the 'fewest_evaluations' (as AlgoPerf's scorer does).
    workload: what counts of the studies: their 'median'.
    held_out: 'both': a base workload and its held-out variant fail together;
      'none': variants do not matter.
    max_ratio: profiles reach from 1 to this multiple of the best time.
    integral: of the profile: 'exact', or a 'trapezoid' over 100 points.
    reference: the submission that speed-ups are relative to; None: no such.
  """

  study: str
  workload: str
  held_out: str
  max_ratio: float
  integral: str
  reference: str | None = None

  def as_published(self) -> 'Scoring':
    """These rules as AlgoPerf's own scorer applies them."""
    return dataclasses.replace(
      self, study='fewest_evaluations', integral='trapezoid'
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkloadRow:
  """One workload of a benchmark: a base workload or a variant of one."""

  name: str
  goal: spec.Goal
  variant_of: str | None  # The base workload, None if this is one.
  held_out: bool  # A variant that takes part in scoring.
  target_source: str  # How the targets were set.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
  """A competition: its workloads and the rules that turn times into scores."""

  name: str
  description: str
  workloads: tuple[WorkloadRow, ...]  # In the order of the file.
  rulesets: Mapping[str, Ruleset]
  stop_at: tuple[str, ...]  # Splits whose targets, all reached, end a trial.
  scoring: Scoring
  precision: str = 'float32'  # Of products of float32 arrays; see PRECISIONS.

  @property
  def base(self) -> tuple[str, ...]:
    """Names of the base workloads; the score is a mean over them.

    Without those that have no validation target yet.
    """
    return tuple(
      row.name
      for row in self.workloads
      if row.variant_of is None and row.goal.validation_target is not None
    )

  @property
  def scored(self) -> tuple[str, ...]:
    """Names of all workloads that scoring needs: base and held-out."""
    return tuple(
      r.name for r in self.workloads if r.name in self.base or r.held_out
    )

  def row(self, name: str) -> WorkloadRow:
    """The row of a workload.

    Raises:
      UsageError: the benchmark has no such workload; names the nearest.
    """
    rows = {row.name: row for row in self.workloads}
    if name not in rows:
      raise spec.UsageError(
        f'benchmark {self.name!r} has no workload {name!r}: '
        f'{checked_toml.suggest(name, rows)}'
      )
    return rows[name]

  @functools.cached_property
  def digest(self) -> str:
    """SHA-256 of all that decides a run: no scoring rules, no prose."""
    content = dataclasses.asdict(self)
    del content['description'], content['scoring']
    for row in content['workloads']:
      del row['target_source']
    content['workloads'] = sorted(content['workloads'], key=lambda r: r['name'])
    canonical = json.dumps(content, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(canonical.encode()).hexdigest()


def available() -> list[str]:
  """Names of the definitions that come with the package."""
  files = resources.files('algoperf').joinpath('benchmarks').iterdir()
  return sorted(
    f.name.removesuffix('.toml') for f in files if f.name.endswith('.toml')
  )


def load(name_or_path: str | os.PathLike[str]) -> Benchmark:
  """Reads a definition, by name or from a TOML file anywhere.

  Raises:
    UsageError: no such definition, or the first thing wrong in it, with file,
      line, key and what would be allowed.
  """
  name = os.fspath(name_or_path)
  if name in available():
    path = resources.files('algoperf').joinpath('benchmarks', f'{name}.toml')
    return parse(path.read_text(encoding='utf-8'), f'{name}.toml')
  if not name.endswith('.toml'):
    raise spec.UsageError(
      f'unknown benchmark {name!r}: '
      f'{checked_toml.suggest(name, available())} '
      '(or give the path of a .toml file)'
    )
  try:
    text = pathlib.Path(name).read_text(encoding='utf-8')
  except (OSError, UnicodeDecodeError) as error:
    reason = getattr(error, 'strerror', None) or 'not a UTF-8 text'
    raise spec.UsageError(
      f'cannot read benchmark file {name}: {reason}'
    ) from error
  return parse(text, name)


_TOP: dict[str, checked_toml.Check] = {
  'name': checked_toml.word,
  'description': checked_toml.text,
  'stop_at': checked_toml.some_of('validation', 'test'),
  'scoring': checked_toml.table,
  'rulesets': checked_toml.table,
  'workloads': checked_toml.table,
}
_SCORING: dict[str, checked_toml.Check] = {
  'study': checked_toml.one_of('least_time', 'fewest_evaluations'),
  'workload': checked_toml.one_of('median'),
  'held_out': checked_toml.one_of('none', 'both'),
  'max_ratio': checked_toml.above(1),
  'integral': checked_toml.one_of('exact', 'trapezoid'),
}
_RULESET: dict[str, checked_toml.Check] = {
  'trials': checked_toml.count,
  'studies': checked_toml.count,
  'budget_factor': checked_toml.above(0),
}
_INHERITED: dict[str, checked_toml.Check] = {
  'metric': checked_toml.word,
  'comparison': checked_toml.one_of('>', '>=', '<', '<='),
  'max_runtime': checked_toml.above(0),
  'eval_period': checked_toml.above(0),
  'step_hint': checked_toml.count,
  'batch_size': checked_toml.count,
  'target_source': checked_toml.text,
}
_TARGETS: dict[str, checked_toml.Check] = {
  'validation_target': checked_toml.number,
  'test_target': checked_toml.number,
}
_VARIANT: dict[str, checked_toml.Check] = {'held_out': checked_toml.flag}


def parse(text: str, source: str) -> Benchmark:
  """Reads a definition from the text of a TOML file.

  Args:
    text: the file's content.
    source: the file's name, for errors.

  Raises:
    UsageError: as `load`.
  """
  file = checked_toml.File(text, source)
  top = file.read(
    file.content,
    '',
    required=_TOP,
    optional={'precision': checked_toml.one_of(*PRECISIONS)},
  )
  tables = file.read(
    top['rulesets'],
    'rulesets',
    required=dict.fromkeys(RULESETS, checked_toml.table),
  )
  rulesets = {
    name: Ruleset(
      name=name,
      **file.read(tables[name], f'rulesets.{name}', required=_RULESET),
    )
    for name in RULESETS
  }
  scoring = file.read(
    top['scoring'],
    'scoring',
    required=_SCORING,
    optional={'reference': checked_toml.word},
  )
  rows = tuple(_row(file, name, top['workloads']) for name in top['workloads'])
  parts = {'scoring': Scoring(**scoring), 'rulesets': rulesets}
  return Benchmark(**{**top, **parts, 'workloads': rows})


def _row(
  file: checked_toml.File, name: str, tables: Mapping[str, Any]
) -> WorkloadRow:
  """One workload; a variant takes from its base all but the targets."""
  where = f'workloads.{name}'
  fields = _fields(file, name, tables)
  variant_of = fields.pop('variant_of', None)
  if variant_of is not None:
    bases = [
      key
      for key, values in tables.items()
      if isinstance(values, dict) and 'variant_of' not in values
    ]
    if variant_of not in bases:
      hint = checked_toml.suggest(variant_of, bases)
      message = f'{variant_of!r} is no base workload of this file; {hint}'
      raise file.error(where, 'variant_of', message)
    base = _fields(file, variant_of, tables)
    fields = {key: base[key] for key in _INHERITED} | fields
  _check_direction(file, where, fields['metric'], fields['comparison'])
  targets = {key: fields.pop(key, None) for key in _TARGETS}
  return WorkloadRow(
    name=name,
    variant_of=variant_of,
    held_out=fields.pop('held_out', False),
    target_source=fields.pop('target_source'),
    goal=spec.Goal(**fields, **targets),
  )


def _fields(
  file: checked_toml.File, name: str, tables: Mapping[str, Any]
) -> dict[str, Any]:
  """The checked values that a workload's own table gives."""
  values, where = tables[name], f'workloads.{name}'
  if isinstance(values, dict) and 'variant_of' in values:
    return file.read(
      values,
      where,
      required={'variant_of': checked_toml.word},
      optional=_INHERITED | _TARGETS | _VARIANT,
    )
  return file.read(values, where, required=_INHERITED, optional=_TARGETS)


def _check_direction(
  file: checked_toml.File, where: str, metric: str, comparison: str
) -> None:
  higher = HIGHER_IS_BETTER.get(metric)
  if higher is not None and higher != comparison.startswith('>'):
    allowed = "'>=' or '>'" if higher else "'<=' or '<'"
    message = f'{comparison!r} does not suit {metric!r}; it must be {allowed}'
    raise file.error(where, 'comparison', message)
