"""Each sequence workload, variants too, against the same model in numpy.

Packed and padded batches, with label smoothing. The two agree on the published
fingerprints of the base models; those of the variants are not published.
"""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import pytest

from algoperf import spec
from tests.workloads import by_hand
import workloads
from workloads.language_model import configs as lm_configs
from workloads.language_model import workload as lm_workload

WMT = {
  '': {},
  '_post_ln': {'post_ln': True},
  '_attention_temp': {'temperature': 4.0},
  '_glu_tanh': {'activation': 'tanh'},
}
FINEWEB = {
  '': {},
  '_layernorm': {},
  '_gelu_mlp': {'mlp': 'gelu'},
  '_no_qk_norm': {},
}
LM1B = {
  '': {'mlp': 'relu'},
  '_rmsnorm': {'mlp': 'relu'},
  '_glu_mlp': {'mlp': 'glu'},
  '_qk_norm': {'mlp': 'relu'},
  '_tied': {'mlp': 'relu'},
}
TINY_LM1B = dataclasses.replace(
  lm_configs.LM1B,
  vocab_size=50,
  width=16,
  heads=2,
  layers=2,
  mlp_width=24,
  dtype='float32',
)
# Compiles in a fraction of the time.
jit = functools.partial(
  jax.jit, compiler_options={'xla_backend_optimization_level': 0}
)


def found(work: spec.Workload, params, batch, smoothing: float):
  """Logits and losses of the workload."""
  mask = (batch['targets'] > 0).astype(np.float32)

  @jit
  def run(params):
    mode = spec.ForwardPassMode.EVAL
    logits, _ = work.model_fn(params, batch, None, mode, None, False)
    return logits, work.loss_fn(batch['targets'], logits, mask, smoothing)

  return jax.device_get(run(params))


def compare(work, model, batch, smoothing, **options):
  """To four digits and more of what is published as a fingerprint."""
  shapes, _ = jax.eval_shape(work.init_model_fn, jax.random.PRNGKey(0))
  params = by_hand.filled(shapes)
  logits, loss = found(work, params, batch, smoothing)
  expected = model(by_hand.wide(params), batch, **options)
  real = batch['targets'] > 0
  error = np.linalg.norm((logits - expected)[real])
  assert error <= 3e-5 * np.linalg.norm(expected[real])
  losses = by_hand.cross_entropy(expected, batch['targets'], smoothing) * real
  np.testing.assert_allclose(loss['per_example'], losses, rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(loss['summed'], losses.sum(), rtol=3e-5)
  assert loss['n_valid_examples'] == real.sum()
  return expected, losses


def pairs(vocab_size: int, packed: bool) -> dict[str, np.ndarray]:
  """Two rows of sentence pairs, padded; or several in each row."""
  batch = {
    side: np.random.RandomState(seed).randint(3, vocab_size, (2, 16))
    for seed, side in enumerate(('inputs', 'targets'))
  }
  if not packed:
    batch['inputs'][0, 12:] = batch['inputs'][1, 10:] = 0
    batch['targets'][0, 13:] = batch['targets'][1, 9:] = 0
    return batch
  for side, parts in (
    ('inputs', [(5, 4, 5), (8, 6)]),
    ('targets', [(3, 6, 4), (9, 4)]),
  ):
    batch |= _packing(side, batch[side], parts)
  return batch


def _packing(side, rows, parts):
  position, segment = np.zeros_like(rows), np.zeros_like(rows)
  for row, lengths in enumerate(parts):
    start = 0
    for number, length in enumerate(lengths, start=1):
      position[row, start : start + length] = np.arange(length)
      segment[row, start : start + length] = number
      start += length
    rows[row, start:] = 0
  return {f'{side}_position': position, f'{side}_segmentation': segment}


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('variant', WMT)
def test_small_translation_models(variant, packed):
  work = workloads.get(f'numerals_wmt{variant}')
  batch = pairs(work.config.vocab_size, packed)
  compare(work, by_hand.wmt, batch, 0.2, **WMT[variant])


@pytest.mark.parametrize('variant', FINEWEB)
def test_small_language_models(variant):
  work = workloads.get(f'shakespeare_lm{variant}')
  tokens = np.random.RandomState(0).randint(1, 256, (2, 33))
  batch = {'inputs': tokens[:, :-1], 'targets': tokens[:, 1:]}
  compare(work, by_hand.language_model, batch, 0.1, **FINEWEB[variant])


def of_lm1b(config: lm_configs.Config) -> dict[str, Any]:
  """Options of the model by hand."""
  options = LM1B[config.name.removeprefix('lm1b')]
  scale = config.width**-0.5 if config.output == 'tied_scaled' else 1.0
  return {'rotary': False, 'tied_scale': scale, **options}


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('config', lm_configs.of_lm1b(TINY_LM1B))
def test_tiny_lm1b(config, packed):
  work = lm_workload.LanguageModelWorkload(config)
  batch = {
    name: rows
    for name, rows in pairs(50, packed).items()
    if not name.startswith('targets_')
  }
  # Of a sentence inputs and targets have the same length.
  batch['targets'][batch['inputs'] == 0] = 0
  compare(work, by_hand.language_model, batch, 0.1, **of_lm1b(config))


@pytest.mark.long
@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('variant', WMT)
def test_full_size_translation_models(variant, packed):
  work = workloads.get(f'wmt{variant}')
  logits, losses = compare(
    work, by_hand.wmt, pairs(32_000, packed), 0.1, **WMT[variant]
  )
  if not variant and not packed:  # As published.
    np.testing.assert_allclose(losses.sum(), 228.2332, rtol=1e-6)
    np.testing.assert_allclose(np.abs(logits).sum(), 4665.45, rtol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize('variant', FINEWEB)
def test_full_size_language_models(variant):
  config = workloads.get(f'finewebedu_lm{variant}').config
  work = lm_workload.LanguageModelWorkload(
    dataclasses.replace(config, dtype='float32')
  )
  tokens = np.random.RandomState(0).randint(0, 50_257, (2, 65))
  batch = {'inputs': tokens[:, :-1], 'targets': tokens[:, 1:]}
  logits, losses = compare(
    work, by_hand.language_model, batch, 0.0, **FINEWEB[variant]
  )
  if not variant:  # As published.
    np.testing.assert_allclose(losses.sum(), 1386.2727, rtol=1e-5)
    np.testing.assert_allclose(np.abs(logits).sum(), 737_717, rtol=1e-5)
  # The workload itself computes in bfloat16, of eight bits: 24 sublayers.
  rounded = workloads.get(f'finewebedu_lm{variant}')
  params = by_hand.filled(
    jax.eval_shape(work.init_model_fn, jax.random.PRNGKey(0))[0]
  )
  found16, loss16 = found(rounded, params, batch, 0.0)
  assert found16.dtype == 'bfloat16'
  error = np.linalg.norm(np.asarray(found16, np.float64) - logits)
  assert error < 0.03 * np.linalg.norm(logits)
  np.testing.assert_allclose(loss16['summed'], losses.sum(), rtol=3e-3)


@pytest.mark.long
@pytest.mark.parametrize('variant', LM1B)
def test_full_size_lm1b(variant):
  config = workloads.get(f'lm1b{variant}').config
  work = lm_workload.LanguageModelWorkload(
    dataclasses.replace(config, dtype='float32')
  )
  tokens = np.random.RandomState(0).randint(1, 30_000, (2, 65))
  batch = {'inputs': tokens[:, :-1], 'targets': tokens[:, 1:]}
  batch['inputs_position'] = np.tile(np.arange(32), (2, 2))
  batch['inputs_segmentation'] = np.repeat([[1, 2]] * 2, 32, axis=1)
  compare(work, by_hand.language_model, batch, 0.1, **of_lm1b(config))
