"""Batch sizes of the algorithms that targets were set with."""


def get_batch_size(workload_name: str) -> int:
  if workload_name == 'wmt':
    return 128
  raise ValueError(f'Unsupported workload name: {workload_name}.')
