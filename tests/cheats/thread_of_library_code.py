"""A thread with no code of its own that works for long."""

import hashlib
import threading

import optax

_WORK = ('sha256', b'secret', b'salt', 10**9)


def optimizer(hyperparameters, step_hint):
  threading.Thread(target=hashlib.pbkdf2_hmac, args=_WORK, daemon=True).start()
  return optax.sgd(0.1)
