"""FineWeb-Edu and lm1b from disk: tiny data sets in the real schemas."""

import collections
import dataclasses
import types

import jax
import numpy as np
import pytest

from algoperf import spec
from tests.workloads.pipelines import DOCUMENTS, FINEWEB, LM1B
from tests.workloads.streams import take
from workloads.data import packing, splits
from workloads.language_model import (
  fineweb,
  fineweb_text,
  lm1b,
  workload,
)

KEY = np.array([3, 7], np.uint32)


@pytest.mark.parametrize('config', [FINEWEB, LM1B], ids=['fineweb', 'lm1b'])
def test_two_steps_and_evaluation(tiny, config):
  work = workload.LanguageModelWorkload(config)
  assert work.data_is_ready(tiny)
  params, _ = work.init_model_fn(jax.random.PRNGKey(0))
  queue = work.build_input_queue(KEY, 'train', tiny, 8)

  @jax.jit
  @jax.value_and_grad
  def loss(params, batch):
    mode = spec.ForwardPassMode.TRAIN
    rng = jax.random.PRNGKey(1)
    logits, _ = work.model_fn(params, batch, None, mode, rng, False)
    terms = work.loss_fn(batch['targets'], logits, batch.get('weights'))
    return terms['summed'] / terms['n_valid_examples']

  for batch in take(queue, 2):
    value, gradient = loss(params, batch)
    assert np.isfinite(value)
    params = jax.tree.map(
      lambda p, g: (p - 0.1 * g).astype(p.dtype), params, gradient
    )
  metrics = work.evaluate_split('validation', params, None, None, tiny)
  assert 0 < metrics['loss'] < 1.2 * np.log(config.vocab_size)
  assert metrics['ppl'] == pytest.approx(np.exp(metrics['loss']))


def test_windows_are_the_documents_joined_in_a_drawn_order(tiny):
  stored = {
    split: [
      example['tokens']
      for example in splits.open_split(tiny, fineweb.NAME, split)
    ]
    for split in ('train', 'validation')
  }
  found = collections.Counter()
  for windows in stored.values():
    joined = np.concatenate(windows)
    ends = np.flatnonzero(joined == 499) + 1
    # The last document may be cut, or followed by nothing.
    found.update(map(tuple, np.split(joined, ends)[: len(ends)]))
  expected = collections.Counter(map(tuple, DOCUMENTS))
  assert not found - expected
  lost = expected - found
  assert sum(map(len, lost)) < 2 * (17 + 60)
  total = sum(map(len, DOCUMENTS))
  assert 0.8 * total < 17 * len(stored['train']) < 0.97 * total


def test_an_epoch_has_every_window_once(tiny):
  stored = [
    tuple(example['tokens'])
    for example in splits.open_split(tiny, fineweb.NAME, 'train')
  ]
  queue = fineweb.train_batches(FINEWEB, tiny, 1, KEY)
  for _ in range(2):
    found = []
    for _ in stored:
      batch = next(queue)
      np.testing.assert_array_equal(
        batch['inputs'][:, 1:], batch['targets'][:, :-1]
      )
      found.append((*batch['inputs'][0], batch['targets'][0, -1]))
    assert found != stored
    assert sorted(found) == sorted(stored)
  queue.close()


def test_windows_are_evaluated_in_whole_batches(tiny):
  batches = list(fineweb.eval_batches(FINEWEB, tiny, 'validation', 4))
  assert [batch['weights'].sum() for batch in batches] == [64, 64]
  assert len(list(fineweb.eval_batches(FINEWEB, tiny, 'eval_train', 4))) == 2
  stored = splits.open_split(tiny, fineweb.NAME, 'validation')
  inputs = np.concatenate([batch['inputs'] for batch in batches])
  for row, example in zip(inputs, stored, strict=False):
    np.testing.assert_array_equal(row, example['tokens'][:-1])


def test_fewer_windows_than_asked_for_are_padded(tiny):
  count = len(splits.open_split(tiny, fineweb.NAME, 'validation'))
  many = dataclasses.replace(FINEWEB, num_validation_examples=10_000)
  batches = list(fineweb.eval_batches(many, tiny, 'validation', 7))
  assert sum(batch['weights'].sum() for batch in batches) == 16 * count


def test_windows_of_another_length_are_refused(tiny):
  other = dataclasses.replace(FINEWEB, sequence_length=20)
  with pytest.raises(spec.UsageError, match='17 tokens, not 21'):
    fineweb.train_batches(other, tiny, 4, KEY)


def test_packed_rows_hold_whole_sentences_shifted(tiny):
  vocabulary = lm1b._tokenizer(LM1B, tiny)
  texts = [
    example['text'].decode()
    for example in splits.open_split(tiny, 'lm1b', 'train')
  ]
  encoded = [tuple(tokens) for tokens in vocabulary.encode(texts)]
  kept = [tokens for tokens in encoded if len(tokens) <= 24]
  assert 30 < len(kept) < 90
  queue = lm1b.train_batches(LM1B, tiny, 1, KEY)
  found = []
  while len(found) < len(kept):
    row = {name: values[0] for name, values in next(queue).items()}
    np.testing.assert_array_equal(row['weights'], row['targets'] > 0)
    for segment in range(1, row['inputs_segmentation'].max() + 1):
      where = row['inputs_segmentation'] == segment
      targets = row['targets'][where]
      assert row['inputs'][where].tolist() == [0, *targets[:-1]]
      assert row['inputs_position'][where].tolist() == [*range(len(targets))]
      found.append(tuple(targets))
  queue.close()
  epoch = collections.Counter(found[: len(kept)])
  assert epoch == collections.Counter(kept)


def test_the_held_out_sentences_are_halved(tiny):
  vocabulary = lm1b._tokenizer(LM1B, tiny)
  stored = [
    example['text'].decode()
    for example in splits.open_split(tiny, 'lm1b', 'test')
  ]
  expected = {'validation': stored[:20], 'test': stored[20:]}
  for split, texts in expected.items():
    batches = list(lm1b.eval_batches(LM1B, tiny, split, 8))
    assert [batch['inputs'].shape for batch in batches] == [(8, 40)] * 3
    targets = np.concatenate([batch['targets'] for batch in batches])
    weights = np.concatenate([batch['weights'] for batch in batches])
    encoded = vocabulary.encode(texts)
    np.testing.assert_array_equal(
      targets[: len(texts)], packing.pad([t[:40] for t in encoded], 40)
    )
    assert not targets[len(texts) :].any()
    known = [np.count_nonzero(tokens[:40]) for tokens in encoded]
    assert weights.sum() == sum(known)


def test_sentences_without_packing_have_the_losses_of_packed_ones(tiny):
  """Of each token, whichever row it is in."""
  config = dataclasses.replace(LM1B, dtype='float32', dropout_rate=None)
  work = workload.LanguageModelWorkload(config)
  params, _ = work.init_model_fn(jax.random.PRNGKey(0))
  (packed,) = take(lm1b.train_batches(config, tiny, 4, KEY), 1)

  @jax.jit
  def losses(batch):
    mode = spec.ForwardPassMode.EVAL
    logits, _ = work.model_fn(params, batch, None, mode, None, False)
    terms = work.loss_fn(batch['targets'], logits, batch['weights'])
    return terms['per_example']

  rows, found = [], losses(packed)
  expected = []
  for i, segments in enumerate(packed['inputs_segmentation']):
    for segment in range(1, segments.max() + 1):
      where = segments == segment
      rows.append([packed[side][i][where] for side in ('inputs', 'targets')])
      expected.append(found[i][where])
  inputs, targets = (packing.pad(list(s), 24) for s in zip(*rows, strict=True))
  alone = losses(
    {
      'inputs': inputs,
      'targets': targets,
      'weights': packing.weights(targets),
    }
  )
  assert len(rows) > 5
  for row, wanted in zip(alone, expected, strict=True):
    np.testing.assert_allclose(row[: len(wanted)], wanted, atol=1e-5)


def test_text_files_are_tokenised_once_and_go_on_after_a_stop(
  tmp_path, monkeypatch
):
  text_dir, tokens_dir = tmp_path / 'text', tmp_path / 'tokens'
  text_dir.mkdir()
  for name, line in (('b', 'zwei\\n€'), ('a', 'ein'), ('c', 'drei')):
    (text_dir / f'{name}.jsonl').write_text(
      f'{{"text": "{line}"}}\n{{"text": ""}}\n{{"text": "x"}}\n',
      encoding='utf-8',
    )
  seen = []

  class Bytes:
    def encode_ordinary_batch(self, texts, num_threads):
      seen.extend(texts)
      if 'drei' in texts and len(seen) < 8:
        raise KeyboardInterrupt
      return [list(text.encode()) for text in texts]

  monkeypatch.setattr(fineweb_text, 'gpt2', lambda cache_dir: Bytes())
  arguments = types.SimpleNamespace(cache_dir=tmp_path, workload='w')
  with pytest.raises(KeyboardInterrupt):
    fineweb_text.tokenise(text_dir, tokens_dir, **vars(arguments))
  assert seen == ['ein', 'x', 'zwei\n€', 'x', 'drei', 'x']
  fineweb_text.tokenise(text_dir, tokens_dir, **vars(arguments))
  assert seen[6:] == ['drei', 'x']
  splits = fineweb_text.splits(tokens_dir)
  documents = [list(doc) for split in splits.values() for doc in split]
  expected = [
    [*text.encode(), fineweb_text.END_OF_TEXT]
    for text in ('ein', 'x', 'zwei\n€', 'x', 'drei', 'x')
  ]
  assert sorted(documents) == sorted(expected)


def test_missing_text_says_where_it_goes(tmp_path):
  with pytest.raises(spec.UsageError, match='text of FineWeb-Edu') as error:
    fineweb.prepare(FINEWEB, str(tmp_path), spec.silent)
  assert '\n' not in str(error.value)
  assert str(tmp_path / 'downloads' / 'fineweb_edu_10b') in str(error.value)


def test_gpt2_tokens(data_dir):
  """Against ids that are known of GPT-2, and back."""
  pytest.importorskip('tiktoken')
  encoding = fineweb_text.gpt2(f'{data_dir}/downloads')
  assert encoding.encode_ordinary('Hello world') == [15496, 995]
  assert encoding.n_vocab == 50_257
  text = "It's 2026:\tnaïve café — 你好 \n\n  spaces'll don't\x00 "
  assert encoding.decode(encoding.encode_ordinary(text)) == text
