"""NAdamW, evaluated at the mean of its latest checkpoints.

LAWA: Kaddour 2022, "Stop wasting my time! Saving days of ImageNet and BERT
training with latest weight averaging" (arXiv 2209.14981). There a checkpoint is
an epoch's end, here a fraction of the training. Batch statistics are those of
the training.
"""

import optax

from algoperf import spec
from submissions import averaging
from submissions.nadamw import submission as nadamw


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """NAdamW and its checkpoints, each as large as the parameters."""
  return averaging.latest(
    nadamw.optimizer(hyperparameters, step_hint),
    number=hyperparameters.num_checkpoints,
    interval=max(int(hyperparameters.interval_factor * step_hint), 1),
  )


def eval_params(
  opt_state: averaging.LatestState, params: optax.Params
) -> optax.Params:
  """The mean of the checkpoints so far; before the first, the parameters."""
  return averaging.mean_of_latest(opt_state, params)
