"""SUBMISSION_NAME: say here what it does, and which paper it follows.

For the self-tuning ruleset: nothing is tuned from outside, there is no search
space, and the budget is longer. Run it with --ruleset=self.
"""

import optax
from optax import contrib

from algoperf import spec


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """The training algorithm, the same for every workload.

  Args:
    hyperparameters: None.
    step_hint: about how many updates the external ruleset's budget allows.
  """
  del hyperparameters
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.02,  # Not 0: the method divides by a sum of past rates.
    peak_value=1.0,
    warmup_steps=step_hint // 20,
    decay_steps=step_hint,
  )
  # A method that finds its learning rate itself: arXiv 2306.06101.
  return contrib.prodigy(schedule, weight_decay=0.01)
