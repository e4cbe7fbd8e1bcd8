"""Three training steps of workloads, the way a trial takes them.

A program for tests of several devices or processes:

  python -m tests.algoperf.three_steps DATA_DIR OUT WORKLOADS [HOSTS_AS_JSON]

It writes OUT/<workload>.npz: what the steps changed of the parameters, and the
model state and the losses. With hosts, each process reads its own rows only.
"""

import collections
import json
import pathlib
import sys
from typing import Any

import jax
import numpy as np

from algoperf import (
  benchmark,
  hosts,
  seeds,
  sharding,
  sources,
  spec,
  submission,
)
from submissions.nadamw import submission as nadamw
from workloads import registry

STEPS = 3
BATCH_SIZE = 32
_POINT = {
  'learning_rate': 1e-2,
  'one_minus_beta1': 0.1,
  'beta2': 0.99,
  'weight_decay': 0.1,
  'warmup_factor': 0.01,
  'label_smoothing': 0.1,
}


class Scalars:
  """Keeps the losses that the submission logs at its first step."""

  def __init__(self):
    self.losses = []

  def append_scalar_metrics(self, metrics: dict[str, Any], step: int) -> None:
    del step
    self.losses.append(float(metrics['loss']))


def own_rows(batch: spec.Batch) -> spec.Batch:
  """The part of a batch that this process would read."""
  rows = BATCH_SIZE // jax.process_count()
  first = rows * jax.process_index()
  return {key: value[first : first + rows] for key, value in batch.items()}


def train(name: str, data_dir: str) -> dict[str, np.ndarray]:
  """Arrays by path: 'update/…', 'state/…', and 'loss'."""
  goal = benchmark.load('mini').row(name).goal
  workload = registry.get(name).with_goal(goal)
  scalars = Scalars()
  workload.attach_metrics_logger(scalars)
  keys = seeds.trial_keys(1, 'external')
  queue = workload.build_input_queue(keys.data, 'train', data_dir, BATCH_SIZE)
  params, model_state = map(
    sharding.replicate, workload.init_model_fn(keys.model)
  )
  first = jax.tree.map(np.array, params)
  loaded = submission.load(sources.locate(nadamw.__file__))
  point = collections.namedtuple('Hyperparameters', _POINT)(**_POINT)
  optimizer_state = loaded.init_optimizer_state(
    workload, params, model_state, point, keys.optimizer
  )
  step_keys = seeds.StepKeySequence(keys.loop)
  for step in range(STEPS):
    batch = sharding.place_batch(own_rows(next(queue)), BATCH_SIZE)
    optimizer_state, params, model_state = loaded.update_params(
      workload=workload,
      current_param_container=params,
      current_params_types=workload.model_params_types,
      model_state=model_state,
      hyperparameters=point,
      batch=batch,
      loss_type=workload.loss_type,
      optimizer_state=optimizer_state,
      eval_results=[],
      global_step=100 * step,  # Every step is one whose loss is logged.
      rng=step_keys[step].update,
    )
  assert optimizer_state[1].step._cache_size() == 1
  update = jax.tree.map(lambda new, old: np.asarray(new) - old, params, first)
  flat = jax.tree_util.tree_leaves_with_path(
    {'update': update, 'state': jax.tree.map(np.asarray, model_state)}
  )
  arrays = {jax.tree_util.keystr(path): leaf for path, leaf in flat}
  return arrays | {'loss': np.array(scalars.losses)}


def main(data_dir: str, out: str, names: str, settings: str = '') -> None:
  if settings:
    hosts.join(hosts.Hosts(**json.loads(settings)))
  for name in names.split(','):
    arrays = train(name, data_dir)
    if jax.process_index() == 0:
      np.savez(pathlib.Path(out) / f'{name}.npz', **arrays)


if __name__ == '__main__':
  main(*sys.argv[1:])
