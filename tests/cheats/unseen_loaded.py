"""Uses a library that the harness has loaded, and that reads any text."""

import optax
from sentencepiece import SentencePieceTrainer as Trainer


def optimizer(hyperparameters, step_hint):
  assert callable(Trainer.train)
  return optax.sgd(0.1)
