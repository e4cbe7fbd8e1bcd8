"""How alike translations and references are."""

import sacrebleu
import sacrebleu.tokenizers.tokenizer_13a


def corpus_bleu(hypotheses: list[str], references: list[str]) -> float:
  """Corpus BLEU, 0 to 100, case kept, tokenised as by mteval-v13a.

  Papineni et al. 2002, https://aclanthology.org/P02-1040, with orders without a
  match smoothed exponentially, as in sacreBLEU (Post 2018,
  https://aclanthology.org/W18-6319).
  """
  metric = sacrebleu.BLEU(tokenize='13a', smooth_method='exp', force=True)
  return metric.corpus_score(hypotheses, [references]).score
