"""SUBMISSION_NAME: say here what it does, and which paper it follows.

This is the short form: the harness computes the gradients, and applies what
`optimizer` makes of them. It reads `label_smoothing`, `dropout_rate` and
`grad_clip` from the hyperparameters where the search space has them.
"""

import optax

from algoperf import spec


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """The training algorithm.

  Args:
    hyperparameters: one point of tuning_search_space.json.
    step_hint: about how many updates the budget allows.
  """
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.0,
    peak_value=hyperparameters.learning_rate,
    warmup_steps=step_hint // 20,
    decay_steps=step_hint,
  )
  return optax.adamw(schedule, weight_decay=hyperparameters.weight_decay)
