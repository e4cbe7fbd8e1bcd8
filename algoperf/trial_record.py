"""What is written into one trial's directory; see `records` for the files."""

from collections.abc import Mapping
import dataclasses
import math
import pathlib
from typing import Any

from algoperf import csv_log, files, records
from algoperf import scalars as scalars_lib

# What trial.json says of the part of a run that is gone on from.
_REWOUND = ('started', 'steps', 'evaluations', 'first_non_finite_step')


class TrialRecord:
  """Writes one trial's directory, from its start to its end."""

  def __init__(
    self,
    directory: pathlib.Path,
    spec: records.TrialSpec,
    facts: Mapping[str, Any],
    scalars: scalars_lib.ScalarBuffer,
  ):
    """Begins a trial in a directory that exists.

    Args:
      directory: the trial's.
      spec: what is run.
      facts: goal, keys, versions, hardware: what else belongs in trial.json.
      scalars: what the submission logs.
    """
    self._directory = directory
    self._scalars = scalars
    self._evaluations = csv_log.CsvLog(directory / records.EVALUATIONS_FILE)
    self._measurements = csv_log.CsvLog(directory / records.MEASUREMENTS_FILE)
    # Attempts before this one are told of, whatever it goes on from.
    preemptions = (records.read_trial(directory) or {}).get('preemptions', [])
    self._content = dataclasses.asdict(spec) | {
      'format': 1,
      'status': 'running',
      'message': None,
      'started': records.utc_now(),
      'ended': None,
      'steps': 0,
      'evaluations': 0,
      'target': None,
      'first_non_finite_step': None,
      'preemptions': preemptions,
      **facts,
      'time': None,
    }
    self._spec = spec
    if spec.hyperparameters is not None:
      files.write_json(directory / 'hparams.json', spec.hyperparameters)

  def begin(self, meta_data: Mapping[str, Any]) -> None:
    """Writes what is known before the first step."""
    count = self._preemption_count
    flags = dataclasses.asdict(self._spec)
    files.write_json(self._directory / f'flags_{count}.json', flags)
    files.write_json(self._directory / f'meta_data_{count}.json', meta_data)
    self._save()

  @property
  def _preemption_count(self) -> int:
    return len(self._content['preemptions'])

  def state(self) -> dict[str, Any]:
    """How far the record goes, for `rewind`; writes what is logged till now."""
    self._measurements.append(self._scalars.drain())
    return {
      'evaluations': self._evaluations.state(),
      'measurements': self._measurements.state(),
      'content': {name: self._content[name] for name in _REWOUND},
    }

  def sync(self) -> None:
    """Waits until all rows are on the disk."""
    self._evaluations.sync()
    self._measurements.sync()

  def rewind(
    self, state: Mapping[str, Any], preemption: Mapping[str, Any]
  ) -> None:
    """Goes on where a record was in that state.

    Args:
      state: of an earlier attempt in this directory.
      preemption: what is known of its end.

    Raises:
      ValueError: rows are missing.
    """
    self._evaluations.rewind(state['evaluations'])
    self._measurements.rewind(state['measurements'])
    self._content |= state['content']
    self._content['preemptions'] = [
      *self._content['preemptions'],
      {**preemption, 'resumed': records.utc_now()},
    ]

  def note(self, name: str, value: Any) -> None:
    """Adds a fact to trial.json."""
    self._content[name] = value
    self._save()

  def evaluated(self, step: int, results: Mapping[str, float]) -> None:
    """Appends one evaluation and what the submission has logged till then."""
    count = self._preemption_count
    row = {'global_step': step, 'preemption_count': count, **results}
    self._evaluations.append([row])
    self._measurements.append([*self._scalars.drain(), row])
    self._content['evaluations'] += 1
    self._content['steps'] = step
    losses = [v for k, v in results.items() if k.endswith('/loss')]
    if not all(map(math.isfinite, losses)):
      self._content['first_non_finite_step'] = (
        self._content['first_non_finite_step'] or step
      )

  def end(
    self,
    status: str,
    *,
    steps: int,
    times: Mapping[str, float],
    target: Mapping[str, float] | None = None,
    message: str | None = None,
    traceback: str | None = None,
  ) -> None:
    """Writes the end of the trial.

    Args:
      status: how it ended.
      steps: updates made.
      times: seconds, 'wall', 'timed' and by part of the clock.
      target: where the validation target was met: 'step', 'time' and
        'last_miss' in seconds of submission time; None if it was not.
      message: one line on a failure.
      traceback: the whole of it.
    """
    if traceback is not None:
      path = self._directory / records.TRACEBACK_FILE
      path.write_text(traceback, encoding='utf-8')
    rows = self._scalars.drain() if status != 'failed' else []
    self._measurements.append(
      [*rows, {'global_step': steps, 'score': times['timed']}]
    )
    self._content |= {
      'status': status,
      'message': message,
      'ended': records.utc_now(),
      'steps': steps,
      'target': target,
      'time': dict(times),
    }
    self._save()

  def _save(self) -> None:
    files.write_json(self._directory / records.TRIAL_FILE, self._content)
