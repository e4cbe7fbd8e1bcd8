"""Every pipeline at a small size, for tests: data sets on disk, and workloads.

Those that read from disk are the full-size configurations with a narrow model
and short rows; tiny data sets in the real schemas are made for them.
"""

import dataclasses
import pathlib

from algoperf import spec
from tests.workloads import tiny_data, tiny_text
from workloads import registry
from workloads.imagenet_resnet import configs as resnet_configs
from workloads.imagenet_resnet import workload as resnet
from workloads.language_model import configs as lm_configs
from workloads.language_model import lm1b
from workloads.language_model import workload as lm
from workloads.wmt import configs as wmt_configs
from workloads.wmt import data as wmt_data
from workloads.wmt import workload as wmt

IMAGENET = dataclasses.replace(
  resnet_configs.IMAGENET,
  name='tiny_imagenet',
  image_shape=(32, 32, 3),
  width=2,
  stage_sizes=(1,),
  num_eval_train_examples=9,
  eval_batch_size=4,
  workers=0,
)
WMT = dataclasses.replace(
  wmt_configs.WMT,
  width=16,
  qkv_width=16,
  mlp_width=16,
  heads=2,
  layers=1,
  vocab_size=120,
  max_length=24,
  eval_batch_size=8,
  num_eval_train_examples=12,
  workers=0,
)
_NARROW = {
  'width': 16,
  'layers': 1,
  'heads': 2,
  'mlp_width': 16,
  'workers': 0,
}
FINEWEB = dataclasses.replace(
  lm_configs.FINEWEBEDU,
  vocab_size=500,
  sequence_length=16,
  eval_batch_size=4,
  num_eval_train_examples=6,
  num_validation_examples=6,
  **_NARROW,
)
LM1B = dataclasses.replace(
  lm_configs.LM1B,
  vocab_size=100,
  sequence_length=24,
  eval_length=40,
  eval_batch_size=8,
  num_eval_train_examples=12,
  **_NARROW,
)
WMT_SIZES = {'train': 70, 'validation': 20, 'test': 21}
DOCUMENTS = tiny_text.documents(200, FINEWEB.vocab_size)
ON_DISK = ('imagenet_resnet', 'wmt', 'finewebedu_lm', 'lm1b')
IN_MEMORY = ('mnist_resnet', 'numerals_wmt', 'shakespeare_lm')


def write(data_dir: str | pathlib.Path) -> None:
  """All data sets that those on disk read, vocabularies too."""
  tiny_data.write_imagenet(data_dir)
  tiny_text.write_wmt(data_dir, WMT_SIZES)
  wmt_data.prepare(WMT, str(data_dir))
  tiny_text.write_fineweb(data_dir, DOCUMENTS, FINEWEB.sequence_length)
  tiny_text.write_lm1b(data_dir, {'train': 90, 'test': 41})
  lm1b.prepare(LM1B, str(data_dir), spec.silent)


def workload(name: str) -> spec.Workload:
  """A workload of a pipeline; of those in memory the workload itself."""
  small = {
    'imagenet_resnet': (resnet.ResNetWorkload, IMAGENET),
    'wmt': (wmt.TranslationWorkload, WMT),
    'finewebedu_lm': (lm.LanguageModelWorkload, FINEWEB),
    'lm1b': (lm.LanguageModelWorkload, LM1B),
  }
  if name in IN_MEMORY:
    return registry.get(name)
  kind, config = small[name]
  return kind(config)
