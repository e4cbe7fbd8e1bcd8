"""How fast a machine is: three short, fixed jobs, timed.

A trial's times say little if the machine is slower than others of its kind:
shared, throttled, or with a memory bank missing. So every trial first runs a
matrix product and a copy on its device, and decodes a JPEG image on its host,
outside of the submission's clock; each job several times, and the fastest
counts. On CPU it takes half a second.
"""

from collections.abc import Callable
import io
import time

# Of a processor, and of an accelerator, which is slow to start: rows of a
# square matrix, MiB that are copied.
_SMALL, _LARGE = (1024, 64), (8192, 1024)
_REPEATS = 3
_IMAGE_SHAPE = (375, 500, 3)  # As most of ImageNet.
_IMAGES = 5


def run(now: Callable[[], float] = time.monotonic) -> dict[str, float]:
  """Measures this process's first device, and its host.

  Args:
    now: a clock in seconds.

  Returns:
    `matmul_gflops`: 10⁹ operations a second of a float32 product at the
    precision that is set; `copy_gib_per_s`: read and written, 2³⁰ bytes;
    `jpeg_per_s`: images of 375 × 500 points decoded on one core; `seconds`:
    what all of it took.
  """
  start = now()
  matmul, copy = _device(now)
  jpeg = _decode(now)
  found = {
    'matmul_gflops': matmul,
    'copy_gib_per_s': copy,
    'jpeg_per_s': jpeg,
    'seconds': now() - start,
  }
  return {name: float(f'{value:.4g}') for name, value in found.items()}


def _device(now: Callable[[], float]) -> tuple[float, float]:
  """Speeds of a product in GFLOP/s, and of a copy in GiB/s."""
  import jax
  import jax.numpy as jnp

  device = jax.local_devices()[0]
  size, mebibytes = _SMALL if device.platform == 'cpu' else _LARGE
  with jax.default_device(device):
    square = jnp.full((size, size), 0.5, jnp.float32)
    product = _fastest(jax.jit(jnp.matmul), (square, square), now)
    block = jnp.zeros((mebibytes, 1 << 18), jnp.float32)
    copy = _fastest(jax.jit(jnp.negative), (block,), now)
  return 2 * size**3 / product / 1e9, 2 * mebibytes / 1024 / copy


def _fastest(
  function: Callable, arguments: tuple, now: Callable[[], float]
) -> float:
  """Seconds of the fastest call, compilation not included."""
  compiled = function.lower(*arguments).compile()
  compiled(*arguments).block_until_ready()
  return min(
    _seconds(lambda: compiled(*arguments).block_until_ready(), now)
    for _ in range(_REPEATS)
  )


def _decode(now: Callable[[], float]) -> float:
  """Images decoded per second."""
  from PIL import Image

  content = _image()

  def decode() -> None:
    for _ in range(_IMAGES):
      Image.open(io.BytesIO(content)).load()

  return _IMAGES / min(_seconds(decode, now) for _ in range(_REPEATS))


def _image() -> bytes:
  """A JPEG image that is the same everywhere: smooth, with some noise."""
  import numpy as np
  from PIL import Image

  rows, columns, channels = _IMAGE_SHAPE
  noise = np.random.default_rng(0).normal(0, 12, _IMAGE_SHAPE)
  y, x, c = np.ogrid[:rows, :columns, :channels]
  smooth = 128 + 90 * np.sin(x / 40 + c) * np.cos(y / 30)
  pixels = np.clip(smooth + noise, 0, 255).astype(np.uint8)
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, 'JPEG', quality=90)
  return file.getvalue()


def _seconds(job: Callable[[], object], now: Callable[[], float]) -> float:
  start = now()
  job()
  return max(now() - start, 1e-9)
