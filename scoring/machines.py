"""The machine that a trial ran on, as one short text to compare and to show."""

from collections.abc import Mapping
import re
from typing import Any

# Of matrix products; float32 goes without saying.
_PRECISIONS = ('tensorfloat32', 'bfloat16')


def of_harness(details: Mapping[str, Any]) -> str:
  """The machine as trial.json has it (`hardware.fingerprint`), '' if not."""
  found = details.get('hardware')
  if not isinstance(found, dict):
    return ''
  if found.get('platform') == 'cpu':
    return _processor(found.get('cpu'), found.get('cores'))
  text = _accelerators(found.get('device'), found.get('devices'))
  precision = found.get('precision')
  if not text or precision not in _PRECISIONS:
    return text
  return f'{text}, {precision}'


def of_reference(details: Mapping[str, Any]) -> str:
  """The accelerators as AlgoPerf's meta_data_0.json has them, '' if not.

  The names may stand behind a prefix, as in `hardware.gpu_count`. Without GPUs
  nothing is said: that they were not found is likelier than that there were
  none.
  """
  found = {
    name.rpartition('.')[2].lower(): value for name, value in details.items()
  }
  return _accelerators(found.get('gpu_model_name'), found.get('gpu_count'))


def _accelerators(name: object, count: object) -> str:
  if not isinstance(name, str) or not name.strip():
    return ''
  name = ' '.join(name.split())
  number = _whole(count)
  return f'{number} × {name}' if number else name


def _processor(name: object, cores: object) -> str:
  if not isinstance(name, str) or not name.strip():
    return ''
  number = _whole(cores)
  suffix = f', {number} cores' if number else ''
  return f'cpu: {" ".join(name.split())}{suffix}'


def _whole(value: object) -> int:
  """A count, 0 if it is none."""
  match = re.fullmatch('[0-9]{1,9}', str(value))
  return int(match[0]) if match else 0
