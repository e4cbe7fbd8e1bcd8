"""Works whenever one of its objects dies."""

import weakref

import optax

_KEPT = []


class Thing:
  def __init__(self):
    self.me = self  # So that it dies when garbage is collected.


def optimizer(hyperparameters, step_hint):
  return optax.sgd(0.1)


def data_selection(workload, input_queue, *_):
  for _ in range(3000):
    _KEPT.append(weakref.ref(Thing(), lambda _: None))
  return next(input_queue)
