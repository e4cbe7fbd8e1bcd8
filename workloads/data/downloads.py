"""Downloads that are checked, kept and unpacked, without TensorFlow."""

import pathlib
import socket
import tarfile
from typing import Any
import urllib.parse
import urllib.request

import jax
import tensorflow_datasets as tfds

_CONNECT_SECONDS = 10.0


class Downloads(tfds.download.DownloadManager):
  """TFDS's, which fetches and checks; it needs TensorFlow only to unpack."""

  def download_and_extract(self, url_or_urls: Any) -> Any:
    """Directories for archives, in the structure in which their URLs come."""
    return self.extract(self.download(url_or_urls))

  def extract(self, path_or_paths: Any) -> Any:
    """Directories for archives: all that the data sets here need are tar."""
    return jax.tree.map(self._unpacked, path_or_paths)

  def _download(self, resource: Any) -> Any:
    """Fails at once where TFDS would try again for minutes."""
    if not urllib.request.getproxies():
      host = urllib.parse.urlsplit(resource.url).hostname
      socket.create_connection((host, 80), _CONNECT_SECONDS).close()
    return super()._download(resource)

  def _unpacked(self, path: pathlib.Path) -> pathlib.Path:
    target = pathlib.Path(self._extract_dir, path.name)
    partial = target.with_name(f'{path.name}.partial')
    if not target.exists():
      with tarfile.open(path) as archive:
        archive.extractall(partial, filter='data')
      partial.rename(target)
    return target
