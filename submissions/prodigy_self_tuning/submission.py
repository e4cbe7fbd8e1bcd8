"""Prodigy with one setting for all workloads, for the self-tuning ruleset.

Mishchenko and Defazio 2023 (arXiv 2306.06101), calibrated in the sense of
Kasimbeg et al. 2025, "How far away are truly hyperparameter-free learning
algorithms?" (arXiv 2505.24005): what Prodigy leaves open is one choice for all
workloads in place of its defaults: a short warm-up and a cosine, quicker second
moments, some weight decay, and a first estimate from which a training of a few
hundred steps finds its rate in time. That paper's own values are not known
here.
"""

import optax
from optax import contrib

from algoperf import spec
from submissions import schedules


def optimizer(
  hyperparameters: spec.Hyperparameters, step_hint: int
) -> optax.GradientTransformation:
  """Without hyperparameters; these are None."""
  del hyperparameters
  return contrib.prodigy(
    schedules.from_one(schedules.warmup_cosine(1.0, 0.02, step_hint)),
    betas=(0.9, 0.99),
    estim_lr0=1e-4,
    weight_decay=0.01,
    safeguard_warmup=True,
  )
