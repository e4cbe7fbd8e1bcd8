"""Dimensions: B batch, K beams, L length, V vocabulary."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from workloads.wmt import configs, decoding, model

EOS = decoding.EOS


def _search(tables, length, beams):
  """Beam search where the next token depends on position and last token."""
  tables = jnp.asarray(tables, jnp.float32)  # [B, L, V, V]

  def step(tokens_BxK, position, cache, mask):
    del mask
    rows = jnp.arange(len(tables))[:, None]
    return tables[rows, position, tokens_BxK], cache

  return np.asarray(decoding.beam_search(step, (), len(tables), length, beams))


def _penalty(length):
  return ((5 + length) / 6) ** 0.6


def _best_of_all(table, length):
  """The finished sequence with the best score of all that there are."""
  log_p = special.log_softmax(table, axis=-1)
  best = (-np.inf, None)
  others = [token for token in range(table.shape[-1]) if token != EOS]
  for count in range(length - 1):
    for tokens in itertools.product(others, repeat=count):
      tokens = (*tokens, EOS)
      steps = zip((0, *tokens), tokens, strict=False)
      total = sum(log_p[i, a, b] for i, (a, b) in enumerate(steps))
      best = max(best, (total / _penalty(len(tokens)), tokens))
  return list(best[1]) + [0] * (length - 1 - len(best[1]))


def _from(table):
  log_p = special.log_softmax(table, axis=-1)
  return lambda tokens: log_p[len(tokens) - 1, tokens[-1]]


def _plain(log_probs, length, beams):
  """The search in plain Python.

  `log_probs` gives those of the next token after a tuple of tokens.
  """
  alive, done = [(0.0, (0,))], []
  for i in range(length - 1):
    worst = done[-1][0] if len(done) == beams else -np.inf
    if worst > alive[0][0] / _penalty(length):
      break
    candidates = sorted(
      (
        (total + log_p, (*tokens, token))
        for total, tokens in alive
        for token, log_p in enumerate(log_probs(tokens))
      ),
      reverse=True,
    )[: 2 * beams]
    done += [
      (total / _penalty(i + 1), tokens)
      for total, tokens in candidates
      if tokens[-1] == EOS
    ]
    done = sorted(done, reverse=True)[:beams]
    alive = [c for c in candidates if c[1][-1] != EOS][:beams]
  tokens = (done or alive)[0][1][1:]
  return list(tokens) + [0] * (length - 1 - len(tokens))


def test_wide_search_finds_the_best_of_all_sequences():
  length, vocab_size = 5, 4
  tables = np.random.default_rng(0).normal(0, 2, (6, length, 4, vocab_size))
  found = _search(tables, length, beams=27)  # All that can be alive.
  expected = [_best_of_all(table, length) for table in tables]
  np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('beams', [1, 2, 4])
@pytest.mark.parametrize('eos_bias', [-3.0, 0.0, 2.0])
def test_narrow_search_equals_plain_python(beams, eos_bias):
  length, vocab_size = 8, 9
  rng = np.random.default_rng(1)
  tables = rng.normal(0, 1.5, (20, length, vocab_size, vocab_size))
  tables[..., EOS] += eos_bias
  found = _search(tables, length, beams)
  expected = [_plain(_from(table), length, beams) for table in tables]
  np.testing.assert_array_equal(found, expected)


def test_without_an_end_the_best_living_hypothesis_is_returned():
  tables = np.random.default_rng(2).normal(0, 2, (3, 6, 7, 7))
  tables[..., EOS] = -np.inf
  found = _search(tables, 6, beams=2)
  assert (found != EOS).all()
  expected = [_plain(_from(table), 6, beams=2) for table in tables]
  np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('late_sentence', [False, True])
def test_search_ends_once_every_sentence_is_settled(late_sentence):
  """Settled by position 3: four finished, and little left for the living."""
  length, vocab_size = 50, 9
  tables = np.zeros((2, length, vocab_size, vocab_size))
  tables[..., EOS] = 30.0
  tables[:, 0, :, EOS] = -30.0
  if late_sentence:
    tables[1, :20, :, EOS] = -30.0
  steps = []

  def step(tokens_BxK, position, cache, mask):
    del mask
    jax.debug.callback(lambda p: steps.append(int(p)), position)
    rows = jnp.arange(2)[:, None]
    return jnp.asarray(tables, jnp.float32)[rows, position, tokens_BxK], cache

  decoding.beam_search(step, (), 2, length).block_until_ready()
  jax.effects_barrier()
  # One beam's end a step more than the first, until all four have ended.
  assert len(steps) == (21 if late_sentence else 2)


def test_length_penalty_is_one_for_a_single_token():
  assert decoding.length_penalty(1) == 1
  assert decoding.length_penalty(256) == pytest.approx((261 / 6) ** 0.6)


def test_translations_are_those_of_a_search_without_a_cache():
  cfg = dataclasses.replace(
    configs.NUMERALS_WMT,
    vocab_size=11,
    max_length=7,
    width=8,
    qkv_width=8,
    mlp_width=8,
    layers=1,
  )
  net = model.Transformer(cfg)
  rng = np.random.default_rng(3)
  inputs = rng.integers(3, 11, (4, 6)).astype(np.int32)
  inputs[1, 3:] = 0
  params = jax.jit(net.init)(jax.random.key(1), inputs, inputs)['params']
  # Fresh tables give logits that hardly depend on what was read.
  params = jax.tree.map(lambda leaf: 1.5 * leaf, params)
  forward = jax.jit(net.apply)

  def log_probs(sentence):
    def of_prefix(tokens):
      # Predicted here: not read, but no padding either.
      targets = np.full((1, 7), 3)
      targets[0, : len(tokens) - 1] = tokens[1:]
      logits = forward({'params': params}, inputs[sentence][None], targets)
      return special.log_softmax(logits[0, len(tokens) - 1])

    return of_prefix

  @jax.jit
  def translate(params):
    encoded = net.apply(
      {'params': params},
      inputs,
      None,
      model.segments(inputs, None),
      method='encode',
    )
    return decoding.translate(net, params, encoded, inputs)

  found = translate(params)
  expected = [_plain(log_probs(i), 7, decoding.BEAMS) for i in range(4)]
  np.testing.assert_array_equal(found, expected)
  assert len(np.unique(found, axis=0)) > 1
