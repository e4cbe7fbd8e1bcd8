"""Dimensions: N examples, B batch, T target length, V vocabulary."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sacrebleu
from scipy import special

from algoperf import spec
from workloads import registry
from workloads.data import store
from workloads.wmt import bleu, configs, data, decoding, numerals, workload

SMALL = dataclasses.replace(
  configs.NUMERALS_WMT,
  width=8,
  qkv_width=8,
  mlp_width=8,
  layers=1,
  eval_batch_size=16,
  num_eval_train_examples=40,
)

HYPOTHESES = [
  'The cat sat on the mat.',
  'He paid $1,000.50 for it -- really?',
  '"Yes", she said &quot;no&quot;.',
  'Short',
]
REFERENCES = [
  'The cat is sitting on the mat.',
  'He paid $1,000.50 for it, really?',
  '"Yes", she said "no".',
  'A short one',
]


@pytest.fixture(scope='module')
def small():
  work = workload.TranslationWorkload(SMALL)
  params, _ = work.init_model_fn(jax.random.PRNGKey(0))
  return work, params


def test_bleu_matches_algoperf():
  """Figures computed with the reference's own BLEU."""
  all_pairs = bleu.corpus_bleu(HYPOTHESES, REFERENCES)
  assert all_pairs == pytest.approx(67.95537589859038, abs=1e-9)
  first = bleu.corpus_bleu(HYPOTHESES[:1], REFERENCES[:1])
  assert first == pytest.approx(42.38365628277778, abs=1e-9)
  assert bleu.corpus_bleu(['a b'], ['a b c']) == 0


def test_bleu_loads_nothing_later():
  """When a submission could have altered it."""
  code = (
    'import sys; from workloads.wmt import bleu; before = set(sys.modules); '
    'assert bleu.corpus_bleu(["a"] * 9, ["a"] * 9) == 0; '
    'assert not {m for m in sys.modules.keys() - before if "sacre" in m}'
  )
  subprocess.run([sys.executable, '-c', code], check=True)


def test_all_workloads_are_registered():
  for size in ('wmt', 'numerals_wmt'):
    for variant in ('', '_post_ln', '_attention_temp', '_glu_tanh'):
      assert registry.get(size + variant).name == size + variant


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
@pytest.mark.parametrize('masked', [False, True])
def test_loss_matches_numpy(smoothing, masked):
  rng = np.random.default_rng(0)
  logits = 3 * rng.standard_normal((2, 5, 7)).astype(np.float32)
  targets = rng.integers(0, 7, (2, 5))
  targets[0, 3:] = 0
  mask = rng.integers(0, 2, (2, 5)).astype(np.float32) if masked else None
  loss = registry.get('wmt').loss_fn(
    label_batch=targets,
    logits_batch=logits,
    mask_batch=mask,
    label_smoothing=smoothing,
  )
  factors = (targets != 0).astype(float) if mask is None else mask
  log_p = special.log_softmax(logits.astype(np.float64), axis=-1)
  expected = np.zeros((2, 5))
  for index in np.ndindex(2, 5):
    distribution = np.full(7, smoothing / 7)
    distribution[targets[index]] += 1 - smoothing
    expected[index] = -factors[index] * distribution @ log_p[index]
  np.testing.assert_allclose(loss['per_example'], expected, rtol=1e-5)
  np.testing.assert_allclose(loss['summed'], expected.sum(), rtol=1e-5)
  assert loss['n_valid_examples'] == factors.sum()


def test_packing_fields_of_a_batch_are_used(small):
  work, params = small
  tokens = np.arange(5, 11, dtype=np.int32)[None]
  batch = {'inputs': tokens, 'targets': tokens}
  segments = np.array([[1, 1, 1, 2, 2, 2]], np.int32)
  positions = np.array([[0, 1, 2, 0, 1, 2]], np.int32)
  fields = {
    'inputs_position': positions,
    'targets_position': positions,
    'inputs_segmentation': segments,
    'targets_segmentation': segments,
  }

  @jax.jit
  def logits(batch):
    mode = spec.ForwardPassMode.EVAL
    return work.model_fn(params, batch, None, mode, None, False)[0]

  plain = logits(batch)
  packed = logits(batch | fields)
  for field, values in fields.items():
    if field.endswith('position'):
      values = values[:, ::-1]
    else:
      values = np.ones_like(values)
    other = logits(batch | fields | {field: values})
    assert not np.allclose(packed, other, atol=1e-4), field
  assert not np.allclose(packed, plain, atol=1e-4)


def test_evaluation_matches_numpy_and_text(small, data_dir, monkeypatch):
  """With a search replaced by translations that are known, some of them wrong:
  those of every third pair are another pair's."""
  work, params = small
  work.prepare_data(data_dir)
  batches = list(data.eval_batches(SMALL, data_dir, 'eval_train', 40))
  inputs, targets = batches[0]['inputs'], batches[0]['targets']
  given = np.arange(40)
  given[::3] = np.roll(given[::3], 1)
  translations = jnp.asarray(targets[given, :-1])

  def look_up(net, params, encoded, inputs_BxS):
    same_BxN = (inputs_BxS[:, None] == inputs).all(axis=-1)
    return translations[same_BxN.argmax(axis=1)]

  monkeypatch.setattr(decoding, 'translate', look_up)
  metrics = work.evaluate_split('eval_train', params, None, None, data_dir)

  batch = {'inputs': inputs, 'targets': targets}
  mode = spec.ForwardPassMode.EVAL
  logits, _ = jax.jit(work.model_fn, static_argnums=(2, 3, 4, 5))(
    params, batch, None, mode, None, False
  )
  log_p = special.log_softmax(np.asarray(logits, np.float64), axis=-1)
  real = np.nonzero(targets)
  chosen = log_p[(*real, targets[real])]
  assert metrics['loss'] == pytest.approx(-chosen.mean(), rel=1e-5)
  hits = np.argmax(logits, axis=-1)[real] == targets[real]
  assert metrics['accuracy'] == pytest.approx(hits.mean())
  builder = numerals.NumeralsTranslate(data_dir=data_dir)
  german = [line.decode() for line in store.read(builder, 'train')['de'][:40]]
  expected = sacrebleu.corpus_bleu([german[i] for i in given], [german]).score
  assert 0 < expected < 100
  assert metrics['bleu'] == pytest.approx(expected)


def test_training_is_seen_in_every_metric(data_dir):
  """A few steps on eval_train itself."""
  work = workload.TranslationWorkload(
    dataclasses.replace(
      SMALL, width=32, qkv_width=32, mlp_width=32, num_eval_train_examples=12
    )
  )
  work.prepare_data(data_dir)
  params, _ = work.init_model_fn(jax.random.PRNGKey(0))
  batch = next(iter(data.eval_batches(work.config, data_dir, 'eval_train', 12)))

  @jax.jit
  def update(params, moment):
    def mean_loss(params):
      mode = spec.ForwardPassMode.EVAL
      logits, _ = work.model_fn(params, batch, None, mode, None, False)
      loss = work.loss_fn(batch['targets'], logits, batch['weights'])
      return loss['summed'] / loss['n_valid_examples']

    gradient = jax.grad(mean_loss)(params)
    moment = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g**2, moment, gradient)
    params = jax.tree.map(
      lambda p, m, g: p - 0.02 * g / (jnp.sqrt(m) + 1e-8),
      params,
      moment,
      gradient,
    )
    return params, moment

  moment = jax.tree.map(jnp.zeros_like, params)
  for _ in range(120):
    params, moment = update(params, moment)
  metrics = work.evaluate_split('eval_train', params, None, None, data_dir)
  assert metrics['accuracy'] > 0.9
  assert metrics['loss'] < 0.5
  assert metrics['bleu'] > 50
