"""`algoperf.worker` with the toy workload and none of the others."""

import sys

from algoperf import worker
from tests import toy
from workloads import registry

if __name__ == '__main__':
  registry._FAMILIES = ()
  registry.register('toy')(toy.Workload)
  sys.exit(worker.main(sys.argv[1]))
