"""Steps of submissions in AlgoPerf's styles on the toy workload.

A program for tests of several devices:

  python -m tests.algoperf.style_steps OUT

It writes OUT, a JSON object: style → losses before and after the steps.
"""

from collections.abc import Callable
import functools
import json
import pathlib
import sys
from typing import Any

import numpy as np

from algoperf import (
  device_axis,
  sharding,
  sources,
  spec,
  submission,
  tuning,
  views,
)
from tests import toy

STYLES = pathlib.Path(__file__).parents[1] / 'submissions' / 'styles'
_ALGORITHMS = 'repository/reference_algorithms'
_NEWER = 'repository/algorithms/archived_paper_baselines'
PATHS = {
  'jit_06': 'jit_06/submission.py',
  'pmap_05': 'pmap_05',
  'schedule_free': 'schedule_free/submission.py',
  'self_tuning': 'self_tuning/submission.py',
  'sequence_05': 'sequence_05/submission.py',
  'labelled': 'labelled',
  'mesh_06': 'mesh_06/submission.py',
  'averaging': 'repository/submissions/external_tuning/averaging',
  'momentum': f'{_ALGORITHMS}/paper_baselines/momentum/jax/submission.py',
  'preconditioned': f'{_ALGORITHMS}/paper_baselines/preconditioned/jax',
  'ascent': f'{_NEWER}/ascent/jax/submission.py',
  'jax_nesterov': f'{_ALGORITHMS}/target_setting_algorithms/jax_nesterov.py',
}
STEPS = 20
_BATCH_SIZE = 16


def point(source: sources.Source) -> spec.Hyperparameters:
  """The first point of a submission's search space; None without one."""
  if source.search_space is None:
    return None
  return tuning.as_namedtuple(tuning.load(source.search_space, 1, seed=0)[0])


class Trainer(toy.Trainer):
  """Trains on however many devices there are, as a worker would."""

  def __init__(self, style: str):
    source = sources.locate(str(STYLES / PATHS[style]))
    submission.check(source)
    loaded = submission.load(source)
    arrays = device_axis if loaded.device_axis else sharding
    hyperparameters = point(source)
    if hasattr(hyperparameters, 'dropout_rate'):
      # Which draws differently on different numbers of devices.
      hyperparameters = hyperparameters._replace(dropout_rate=0.0)
    super().__init__(
      loaded,
      hyperparameters,
      batch_size=_BATCH_SIZE,
      place=arrays.replicate,
    )
    self.optimizer_state = arrays.settle(self.optimizer_state)
    self.queue = (
      arrays.place_batch(batch, _BATCH_SIZE) for batch in self.queue
    )

  def _call(self, function: str, **extra: Any) -> None:
    if self.submission.takes_train_state and function == 'update_params':
      extra['train_state'] = views.Attributes(
        {
          'accumulated_submission_time': 0.0,
          'is_time_remaining': True,
          'training_complete': False,
        }
      )
    super()._call(function, **extra)

  def loss(self) -> float:
    """Of the training examples, after preparing for it if it is asked for."""
    if self.submission.prepare_for_eval is not None:
      self.prepare_for_eval()

    def evaluate(
      params: spec.ParameterContainer,
      model_state: spec.ModelAuxiliaryState,
      rng: spec.RandomState,
    ) -> dict[str, float]:
      return self.workload.evaluate_split(
        'eval_train', params, model_state, rng, ''
      )

    call: Callable[..., dict[str, float]] = evaluate
    if self.submission.device_axis:
      call = device_axis.without_axis(evaluate)
    return call(self.params, self.model_state, np.zeros(2, np.uint32))['loss']


@functools.cache
def losses(style: str) -> tuple[float, float]:
  """Before and after the steps."""
  trainer = Trainer(style)
  before = trainer.loss()
  trainer.train(STEPS)
  return before, trainer.loss()


def main(out: str) -> None:
  found = {style: losses(style) for style in PATHS}
  pathlib.Path(out).write_text(json.dumps(found))


if __name__ == '__main__':
  main(sys.argv[1])
