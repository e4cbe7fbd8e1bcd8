"""The sequence models and their losses written out in numpy, in float64.

From AlgoPerf's description alone, one sublayer after the other; nothing is
shared with the models but the names of their parameters. And parameters whose
values depend on their shapes alone, as in the published fingerprints.

Dimensions: B batch, S source, T target, L either, H heads, K width of a head,
D width, V vocabulary.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flax import traverse_util
import jax
import numpy as np

Params = Mapping[str, Any]
Array = np.ndarray
_GATES: dict[str, Callable[[Array], Array]] = {
  'relu': lambda x: np.maximum(x, 0),
  'tanh': np.tanh,
  'gelu': lambda x: (
    x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
  ),
}


def filled(shapes: Any, scalar: float = 19.99859) -> dict[str, Any]:
  """Float32 parameters by shape alone.

  A matrix of N entries is a normal sample of seed N over its fan-in's root,
  a scale of n entries 1 + 0.1 times that of n, a bias 0.1 times that of n + 1.
  """

  def fill(path: tuple[str, ...], leaf: Any) -> Array:
    if not leaf.shape:
      return np.float32(scalar)
    size = int(np.prod(leaf.shape))
    scale = path[-1] == 'scale'
    matrix = path[-1] in ('kernel', 'embedding')
    noise = np.random.RandomState(
      size if scale or matrix else size + 1
    ).standard_normal(size)
    if matrix:
      into_heads = path[-2] in ('query', 'key', 'value')
      fan_out = np.prod(leaf.shape[-2:] if into_heads else leaf.shape[-1:])
      noise = noise / np.sqrt(size / fan_out)
    else:
      noise = scale + 0.1 * noise
    return noise.astype(np.float32).reshape(leaf.shape)

  return traverse_util.path_aware_map(fill, shapes)


def wide(params: Any) -> Any:
  """The same in float64."""
  return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)


def cross_entropy(logits: Array, targets: Array, smoothing: float) -> Array:
  """Of every token, against (1 − α) one-hot + α / V."""
  logits = logits - logits.max(axis=-1, keepdims=True)
  log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
  chosen = np.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]
  return -((1 - smoothing) * chosen + smoothing * log_p.mean(axis=-1))


def wmt(
  params: Params,
  batch: Mapping[str, Array],
  *,
  post_ln: bool = False,
  temperature: float = 1.0,
  activation: str = 'relu',
) -> Array:
  """Logits [B, T, V] of the translation model."""
  table = params['shared_embedding']['embedding']
  inputs, targets = batch['inputs'], batch['targets']
  read = np.concatenate([0 * targets[:, :1], targets[:, :-1]], axis=1)

  def embed(tokens: Array, side: str) -> Array:
    length, width = tokens.shape[1], table.shape[1]
    rows = batch.get(f'{side}_position', np.arange(length)[None])
    return table[tokens] + sinusoids(length, width)[rows]

  def mask(queries: str, keys: str) -> Array:
    both = (batch[queries] > 0)[:, :, None] & (batch[keys] > 0)[:, None]
    if f'{queries}_segmentation' in batch:
      first = batch[f'{queries}_segmentation'][:, :, None]
      both = both & (first == batch[f'{keys}_segmentation'][:, None])
    return both[:, None]

  def attention(p: Params, x: Array, source: Array, seen: Array) -> Array:
    return heads(p, 'out', temperature * x, source, seen)

  def mlp(p: Params, x: Array) -> Array:
    hidden = _GATES[activation](dense(p['Dense_0'], x))
    last = 'Dense_1'
    if 'Dense_2' in p:
      hidden, last = hidden * dense(p['Dense_1'], x), 'Dense_2'
    return dense(p[last], hidden)

  def add(p: Params, x: Array, sublayer: Callable[[Array], Array]) -> Array:
    if post_ln:
      return layer_norm(p, x + sublayer(x))
    return x + sublayer(layer_norm(p, x))

  x = embed(inputs, 'inputs')
  seen = mask('inputs', 'inputs')
  for p in blocks(params['encoder']):
    x = add(
      p['attention_norm'],
      x,
      lambda x, p=p: attention(p['attention'], x, x, seen),
    )
    x = add(p['mlp_norm'], x, lambda x, p=p: mlp(p['mlp'], x))
  x = x if post_ln else layer_norm(params['encoder']['norm'], x)

  y = embed(read, 'targets')
  past = mask('targets', 'targets') & np.tri(targets.shape[1], dtype=bool)
  cross = mask('targets', 'inputs')
  for p in blocks(params['decoder']):
    y = add(
      p['self_attention_norm'],
      y,
      lambda y, p=p: attention(p['self_attention'], y, y, past),
    )
    y = add(
      p['cross_attention_norm'],
      y,
      lambda y, p=p: attention(p['cross_attention'], y, x, cross),
    )
    y = add(p['mlp_norm'], y, lambda y, p=p: mlp(p['mlp'], y))
  y = y if post_ln else layer_norm(params['decoder']['norm'], y)
  return y @ table.T / np.sqrt(table.shape[1])


def language_model(
  params: Params,
  batch: Mapping[str, Array],
  *,
  mlp: str = 'glu',
  rotary: bool = True,
  tied_scale: float = 1.0,
) -> Array:
  """Logits [B, L, V] of the decoder; parameters tell norm, qk-norm, output."""
  tokens = batch['inputs']
  table = params['embed']['embedding']
  batch_size, length = tokens.shape
  position = batch.get(
    'inputs_position', np.tile(np.arange(length), (batch_size, 1))
  )
  seen = np.tri(length, dtype=bool)[None, None]
  if 'inputs_segmentation' in batch:
    segment = batch['inputs_segmentation']
    seen = seen & (segment[:, None, :, None] == segment[:, None, None])

  def norm(p: Params, number: int, x: Array) -> Array:
    if f'LayerNorm_{number}' in p:
      return layer_norm(p[f'LayerNorm_{number}'], x)
    return rms_norm(p[f'RMSNorm_{number}'], x)

  def feed_forward(p: Params, x: Array) -> Array:
    hidden = dense(p['Dense_0'], x)
    if mlp == 'glu':
      a, b = np.split(hidden, 2, axis=-1)
      hidden = a / (1 + np.exp(-b))
    else:
      hidden = _GATES[mlp](hidden)
    return dense(p['Dense_1'], hidden)

  x = table[tokens]
  if not rotary:
    x = x + sinusoids(length, table.shape[1])[position]
  turn = position if rotary else None
  for p in blocks(params):
    normed = norm(p, 0, x)
    x = x + heads(
      p['CausalAttn_0'], 'attn_out_proj', normed, normed, seen, turn
    )
    x = x + feed_forward(p['Mlp_0'], norm(p, 1, x))
  out = params['out_ln']
  x = layer_norm(out, x) if 'bias' in out else rms_norm(out, x)
  if 'logits' in params:
    return dense(params['logits'], x)
  return tied_scale * x @ table.T


def heads(
  p: Params,
  out: str,
  x_BxLxD: Array,
  source_BxSxD: Array,
  seen: Array,
  turn_BxL: Array | None = None,
) -> Array:
  """Multi-head attention without biases."""
  q = np.einsum('bld,dhk->blhk', x_BxLxD, p['query']['kernel'])
  k = np.einsum('bsd,dhk->bshk', source_BxSxD, p['key']['kernel'])
  v = np.einsum('bsd,dhk->bshk', source_BxSxD, p['value']['kernel'])
  if turn_BxL is not None:
    q, k = turned(q, turn_BxL), turned(k, turn_BxL)
  scale = q.shape[-1] ** -0.5
  if 'attn_scale' in p:
    q, k = (
      z / (np.linalg.norm(z, axis=-1, keepdims=True) + 1e-6) for z in (q, k)
    )
    scale = p['attn_scale']
  logits = np.where(seen, scale * np.einsum('blhk,bshk->bhls', q, k), -1e30)
  weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
  weights /= weights.sum(axis=-1, keepdims=True)
  mixed = np.einsum('bhls,bshk->blhk', weights, v)
  return np.einsum('blhk,hkd->bld', mixed, p[out]['kernel'])


def turned(x_BxLxHxK: Array, position_BxL: Array) -> Array:
  """Pairs as complex numbers, turned by position · 500,000^(−2i/K)."""
  z = x_BxLxHxK[..., 0::2] + 1j * x_BxLxHxK[..., 1::2]
  width = x_BxLxHxK.shape[-1]
  rate = 500_000.0 ** (-2 * np.arange(width // 2) / width)
  z = z * np.exp(1j * position_BxL[:, :, None, None] * rate)
  return np.stack([z.real, z.imag], axis=-1).reshape(x_BxLxHxK.shape)


def sinusoids(length: int, width: int) -> Array:
  half = width // 2
  rate = np.exp(-np.arange(half) * np.log(10_000) / (half - 1))
  angle = np.arange(length)[:, None] * rate
  return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


def dense(p: Params, x: Array) -> Array:
  return x @ p['kernel'] + p.get('bias', 0)


def layer_norm(p: Params, x: Array) -> Array:
  centred = x - x.mean(axis=-1, keepdims=True)
  variance = (centred**2).mean(axis=-1, keepdims=True)
  return centred / np.sqrt(variance + 1e-6) * p['scale'] + p['bias']


def rms_norm(p: Params, x: Array) -> Array:
  return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * p['scale']


def blocks(params: Params) -> list[Params]:
  names = [name for name in params if name.startswith('blocks_')]
  return [params[f'blocks_{i}'] for i in range(len(names))]
