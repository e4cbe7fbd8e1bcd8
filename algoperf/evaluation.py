"""The untimed evaluation of one set of parameters."""

import math

from algoperf import spec

# AlgoPerf's names: results on the slice of training data are called 'train/…'.
_PREFIXES = {'eval_train': 'train', 'validation': 'validation', 'test': 'test'}


def evaluate(
  workload: spec.Workload,
  params: spec.ParameterContainer,
  model_state: spec.ModelAuxiliaryState,
  rng: spec.RandomState,
  data_dir: str,
) -> dict[str, float]:
  """Metrics of every split that the workload has, by '<split>/<metric>'.

  Errors are the caller's: an evaluation that fails is a trial that failed.
  """
  results = {}
  for split, prefix in _PREFIXES.items():
    if split == 'test' and workload.num_test_examples is None:
      continue
    metrics = workload.evaluate_split(split, params, model_state, rng, data_dir)
    results |= {f'{prefix}/{key}': float(m) for key, m in metrics.items()}
  results['validation/num_examples'] = workload.num_validation_examples
  if workload.num_test_examples is not None:
    results['test/num_examples'] = workload.num_test_examples
  return results


def is_finite(results: dict[str, float]) -> bool:
  """Whether no loss of an evaluation is NaN or infinite."""
  return all(
    math.isfinite(value)
    for key, value in results.items()
    if key.endswith('/loss')
  )
