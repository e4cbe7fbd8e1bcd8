"""Preparing data sets whose raw files TFDS knows where to download."""

import tarfile

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import download_manager

from algoperf import spec
from workloads.data import store

_FAILURES = (
  OSError,
  tfds.download.DownloadError,
  download_manager.NonMatchingChecksumError,
  tarfile.TarError,
)


def prepare(
  builder: tfds.core.DatasetBuilder, report: spec.Report = spec.silent
) -> None:
  """Downloads and writes a data set below its data_dir unless it is there.

  Archives are kept below '<data_dir>/downloads' once they have come, checked by
  TFDS's checksums, so that an interrupted preparation goes on with them. A copy
  in TFRecord files is converted.

  Args:
    builder: the data set.
    report: is told what is being done.

  Raises:
    UsageError: a host cannot be reached, or something else comes than should.
  """
  try:
    store.prepare(builder, report)
  except _FAILURES as error:
    reason = (str(error).strip().splitlines() or ['no reason given'])[0]
    raise spec.UsageError(
      f'Cannot prepare {builder.name}, which is made of downloads ({reason}): '
      f'go online, or copy {builder.data_path} from where it is prepared.'
    ) from error
