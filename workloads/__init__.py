"""What is trained: fixed problems of data, model, loss and metric.

`workloads.get('mnist_resnet')` gives a `spec.Workload`, `workloads.names()` all
names. Nothing heavy is imported before the first call of either.
"""

from workloads.registry import get, names

__all__ = ['get', 'names']
