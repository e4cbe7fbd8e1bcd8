"""WMT from disk: tiny data sets in the real schemas."""

import collections

import jax
import numpy as np
import pytest

from algoperf import spec
from tests.workloads import tiny_text
from tests.workloads.pipelines import WMT as SMALL
from tests.workloads.pipelines import WMT_SIZES as SIZES
from tests.workloads.streams import take
from workloads.data import store
from workloads.wmt import configs, corpora, data, workload

KEY = np.array([3, 7], np.uint32)


def _sentences(row):
  """Pairs of a packed row, by segment."""
  for segment in range(1, row['inputs_segmentation'].max() + 1):
    pair = []
    for side in ('inputs', 'targets'):
      where = row[f'{side}_segmentation'] == segment
      position = row[f'{side}_position'][where]
      assert position.tolist() == list(range(len(position)))
      pair.append(tuple(row[side][where].tolist()))
    yield tuple(pair)


def test_an_epoch_has_every_pair_once(tiny):
  inputs, targets = data.load(SMALL, tiny, 'train')
  pairs = zip(inputs, targets, strict=True)
  expected = collections.Counter((tuple(i), tuple(t)) for i, t in pairs)
  assert 40 < len(inputs) < SIZES['train'], 'some pairs should be too long'
  found = []
  with_rows = data.train_batches(SMALL, tiny, 2, KEY)
  while len(found) < 3 * len(inputs):
    batch = next(with_rows)
    for i in range(2):
      found += _sentences({name: batch[name][i] for name in batch})
  with_rows.close()
  epochs = [found[i * len(inputs) : (i + 1) * len(inputs)] for i in range(3)]
  assert [collections.Counter(epoch) for epoch in epochs] == [expected] * 3
  assert epochs[0] != epochs[1]


def test_rows_are_german_to_english(tiny):
  vocabulary = data.load_tokenizer(SMALL, tiny)
  stored = corpora.Wmt14Translate(config='de-en', data_dir=tiny)
  german = store.read(stored, 'validation')['de']
  english = store.read(stored, 'validation')['en']
  pairs = {
    (de.decode(), en.decode()) for de, en in zip(german, english, strict=True)
  }
  inputs, targets = data.load(SMALL, tiny, 'validation')
  assert inputs
  for pair in zip(inputs, targets, strict=True):
    assert tuple(vocabulary.decode(side[None])[0] for side in pair) in pairs


@pytest.mark.parametrize('split', ['eval_train', 'validation', 'test'])
def test_evaluation_has_every_pair_once_with_exact_weights(tiny, split):
  inputs, targets = data.load(SMALL, tiny, split)
  if split == 'eval_train':  # Of the first 12 pairs some are too long.
    assert len(inputs) == SMALL.num_eval_train_examples
  batches = list(data.eval_batches(SMALL, tiny, split, 8))
  joined = {
    name: np.concatenate([batch[name] for batch in batches])
    for name in ('inputs', 'targets', 'weights')
  }
  assert len(joined['inputs']) == -(-len(inputs) // 8) * 8
  lengths = [len(tokens) for tokens in targets]
  assert joined['weights'].sum(axis=1).tolist() == lengths + [0] * (
    len(joined['weights']) - len(lengths)
  )
  for side, sentences in (('inputs', inputs), ('targets', targets)):
    for row, sentence in zip(joined[side], sentences, strict=False):
      assert row[row > 0].tolist() == [t for t in sentence.tolist() if t]


def test_preparing_again_changes_nothing(tiny):
  path = data._vocabulary(SMALL, tiny)
  before = path.read_bytes()
  path.unlink()
  with pytest.raises(spec.UsageError, match='data prepare wmt'):
    data.check(SMALL, tiny)
  data.prepare(SMALL, tiny)
  data.check(SMALL, tiny)
  assert path.read_bytes() == before
  assert path.name == 'wmt_sentencepiece_model'


def test_a_missing_vocabulary_is_one_line_with_the_command(tmp_path):
  command = f'run `algoperf data prepare wmt --data_dir={tmp_path}`'
  tiny_text.write_wmt(tmp_path, {'train': 2, 'validation': 1, 'test': 1})
  with pytest.raises(spec.UsageError, match=f'vocabulary .*{command}'):
    data.train_batches(configs.WMT, str(tmp_path), 4, KEY)


def test_two_steps_and_evaluation(tiny):
  work = workload.TranslationWorkload(SMALL)
  assert work.data_is_ready(tiny)
  params, _ = work.init_model_fn(jax.random.PRNGKey(0))
  queue = work.build_input_queue(KEY, 'train', tiny, 8)

  @jax.jit
  @jax.value_and_grad
  def loss(params, batch):
    mode = spec.ForwardPassMode.TRAIN
    rng = jax.random.PRNGKey(1)
    logits, _ = work.model_fn(params, batch, None, mode, rng, False, 0.1)
    terms = work.loss_fn(batch['targets'], logits, batch['weights'])
    return terms['summed'] / terms['n_valid_examples']

  losses = []
  for batch in take(queue, 2):
    value, gradient = loss(params, batch)
    params = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)
    losses.append(float(value))
  assert losses[1] < losses[0]
  metrics = work.evaluate_split('validation', params, None, None, tiny)
  assert 0 < metrics['loss'] < 1.2 * np.log(SMALL.vocab_size)
  assert 0 <= metrics['accuracy'] < 1
  assert metrics['bleu'] >= 0
