"""TFDS data sets on disk in array_record format, without TensorFlow."""

from collections.abc import Iterator
import contextlib
import fcntl
import io
import pathlib
import shutil
from typing import Any

from absl import logging
import numpy as np
import tensorflow_datasets as tfds

from algoperf import spec
from workloads.data import downloads, formats, writer


class Builder(tfds.core.GeneratorBasedBuilder):
  """Base of data sets that are defined in this repository."""

  # Where TFDS would look for checksums of its own downloads, of which there are
  # none; its search needs a package that it does not depend on.
  code_path = None


def prepare(
  builder: tfds.core.DatasetBuilder, report: spec.Report = spec.silent
) -> None:
  """Writes the builder's data set below its data_dir unless it is there.

  Appears as a whole or not at all, and goes on where it was interrupted; of
  several processes that try at once one writes and the others wait for it. A
  copy in TFRecord files is converted.

  Args:
    builder: the data set.
    report: is told what is being done; unless it is `silent`, TFDS shows the
      bars of its downloads as well.

  Raises:
    UsageError: a copy that is there cannot be converted, or the sources are not
      what they should be.
  """
  if is_prepared(builder):
    return
  root = pathlib.Path(builder.data_dir_root)
  root.mkdir(parents=True, exist_ok=True)
  showing = _quiet() if report is spec.silent else _bars()
  with (root / f'{builder.name}.lock').open('w') as lock, showing:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if is_prepared(builder):  # By another process, just now.
      return
    directory = pathlib.Path(builder.data_path)
    if formats.SEQUENTIAL in formats.of(directory):
      report(f'{builder.name}: converting the TFRecord files in {directory}')
      formats.add_random_access(directory, report)
      return
    if directory.exists():
      raise spec.UsageError(
        f'{directory} has neither array_record files, nor TFRecord files that '
        'could be converted: delete it, or choose another --data_dir.'
      )
    partial = formats.partial(directory)
    for path in formats.unfinished(directory):
      if path != partial:  # TFDS does not go on with its own.
        shutil.rmtree(path)
    report(f'{builder.name}: writing {directory}')
    try:
      _write(builder, partial, report)
    except spec.UsageError:
      if partial.exists():  # Made of the wrong sources.
        shutil.rmtree(partial)
      raise
    partial.rename(directory)


def is_prepared(builder: tfds.core.DatasetBuilder) -> bool:
  """Whether the builder's data set is on disk, and can be read at random."""
  return formats.RANDOM_ACCESS in formats.of(pathlib.Path(builder.data_path))


def check(builder: tfds.core.DatasetBuilder, workload: str) -> None:
  """Refuses a data set that is not prepared.

  Raises:
    UsageError: with the command that mends it.
  """
  if not is_prepared(builder):
    raise spec.UsageError(
      f'The data set {builder.name} in {builder.data_dir_root} is missing: run '
      f'`algoperf data prepare {workload} --data_dir={builder.data_dir_root}`.'
    )


def read(
  builder: tfds.core.DatasetBuilder, split: str
) -> dict[str, np.ndarray | list[Any]]:
  """All examples of a small split that was prepared, in the order on disk.

  Returns:
    For each feature one array with a leading dimension of examples where all
    examples have the same shape and are numbers, else a list; text is bytes.
  """
  with _quiet():
    # Not the builder itself: it does not notice when others have written.
    stored = tfds.builder_from_directory(str(builder.data_path))
    source = stored.as_data_source(split=split)
    examples = source.__getitems__(range(len(source)))
  return {name: _column([e[name] for e in examples]) for name in examples[0]}


def _write(
  builder: tfds.core.DatasetBuilder,
  directory: pathlib.Path,
  report: spec.Report,
) -> None:
  """Writes all splits and their description, as far as they are not there."""
  root = pathlib.Path(builder.data_dir_root, 'downloads')
  manager = downloads.Downloads(  # Data sets share what they fetch.
    download_dir=root,
    manual_dir=root / 'manual',
    url_infos=builder.url_infos,
    max_simultaneous_downloads=builder.MAX_SIMULTANEOUS_DOWNLOADS,
  )
  generators = builder._split_generators(manager)
  if isinstance(generators, list):  # An older form, that of TFDS's WMT.
    generators = {
      split.name: builder._generate_examples(**split.gen_kwargs)
      for split in generators
    }
  directory.mkdir(parents=True, exist_ok=True)
  builder.info.set_file_format(formats.RANDOM_ACCESS, override=True)
  splits = writer.Writer(builder.info, directory, report)
  builder.info.set_splits(
    tfds.core.SplitDict(
      [splits.write(name, examples) for name, examples in generators.items()]
    )
  )
  builder.info.download_size = manager.downloaded_size
  builder.info.write_to_directory(directory)
  splits.clear()


def _column(values: list[Any]) -> np.ndarray | list[Any]:
  if isinstance(values[0], bytes) or len({np.shape(v) for v in values}) > 1:
    return values
  return np.stack(values)


@contextlib.contextmanager
def _bars() -> Iterator[None]:
  """Has TFDS show its progress."""
  tfds.enable_progress_bar()
  try:
    yield
  finally:
    tfds.disable_progress_bar()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps TFDS from writing progress and log lines to the screen."""
  tfds.disable_progress_bar()
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.WARNING)
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      yield
  finally:
    logging.set_verbosity(verbosity)
