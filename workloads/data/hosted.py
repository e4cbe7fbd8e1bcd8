"""Preparing data sets whose raw files TFDS knows where to download."""

import contextlib
import pathlib
import socket
import urllib.parse

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import download_manager, extractor

from algoperf import spec
from workloads.data import formats, store

_CONNECT_SECONDS = 10.0
_FAILURES = (
  OSError,
  tfds.download.DownloadError,
  download_manager.NonMatchingChecksumError,
  extractor.ExtractError,
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
  if store.is_prepared(builder):
    return
  try:
    if not formats.of(pathlib.Path(builder.data_path)):
      _reach(builder)
    store.prepare(builder, report)
  except _FAILURES as error:
    reason = (str(error).strip().splitlines() or ['no reason given'])[0]
    raise spec.UsageError(
      f'Cannot prepare {builder.name}, which is made of downloads ({reason}): '
      f'go online, or copy {builder.data_path} from where it is prepared.'
    ) from error


def _reach(builder: tfds.core.DatasetBuilder) -> None:
  """Fails at once where TFDS would try again for minutes."""
  urls = builder.url_infos or {}
  hosts = {urllib.parse.urlsplit(url).hostname for url in urls}
  if not hosts:
    return
  failure = None
  for host in sorted(hosts):
    try:
      with contextlib.closing(
        socket.create_connection((host, 80), _CONNECT_SECONDS)
      ):
        return
    except OSError as error:
      failure = error
  raise failure
