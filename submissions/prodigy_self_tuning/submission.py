"""Prodigy with one setting for all workloads, for the self-tuning ruleset.

Mishchenko and Defazio 2023 (arXiv 2306.06101), calibrated in the sense of
Kasimbeg et al. 2025, "How far away are truly hyperparameter-free learning
algorithms?" (arXiv 2505.24005): what Prodigy leaves open is the one choice that
`scripts/calibrate` found best over the small workloads together, of nine points
of calibration.json, first estimate rounded. That paper's own values are not
known here. Dropout is the workloads' own, as nothing is tuned.
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
    schedules.from_one(schedules.warmup_cosine(0.5, 0.02, step_hint)),
    betas=(0.9, 0.99),
    estim_lr0=4e-5,
    weight_decay=0.0,
    safeguard_warmup=True,
  )
