"""What a trial is gone on from: taking it, finding it, and putting it back."""

from collections.abc import Callable, Iterable, Mapping
import contextlib
import dataclasses
import json
import math
import os
import pathlib
from typing import Any, Protocol

from algoperf import checkpoint as checkpoint_lib
from algoperf import clock as clock_lib
from algoperf import files, records, snapshot, spec, trial_record
from algoperf import trial as trial_lib

_MARK_FILE = '.progress'
_MARK_BYTES = 64
_TREES = ('params', 'model_state', 'optimizer_state')
Identity = Mapping[str, Any]


class Queue(Protocol):
  """A training queue whose position can be told and set."""

  def get_state(self) -> Any: ...

  def set_state(self, state: Any) -> None: ...


@dataclasses.dataclass(frozen=True)
class Found:
  """What an earlier attempt has left.

  Attributes:
    checkpoint: the newest whole one; None to begin at the beginning.
    damaged: what was wrong with newer ones.
    lost: updates and seconds of submission time between the checkpoint and the
      end of that attempt, as far as known, to a second.
  """

  checkpoint: checkpoint_lib.Checkpoint | None = None
  damaged: tuple[str, ...] = ()
  lost: Mapping[str, float] = dataclasses.field(default_factory=dict)

  @property
  def step(self) -> int:
    return self.checkpoint.header['step'] if self.checkpoint else 0

  @property
  def timed(self) -> float:
    """Seconds of submission time that are carried over."""
    return self.checkpoint.header['clock']['timed'] if self.checkpoint else 0.0

  def carried(self) -> dict[str, float]:
    """Seconds since the start and of evaluation that are carried over."""
    if self.checkpoint is None:
      return {'wall': 0.0, 'evaluation': 0.0}
    clock = self.checkpoint.header['clock']
    return {'wall': clock['wall'], 'evaluation': clock['parts']['evaluation']}

  def lines(self) -> list[str]:
    """What to tell a person."""
    lines = [f'{what}; going back further' for what in self.damaged]
    if self.checkpoint is not None:
      lines.append(
        f'resumed at step {self.step}, {self.timed:.1f} s; '
        f'{self.lost["steps"]:.0f} steps ({self.lost["seconds"]:.1f} s) were '
        'lost and are made again'
      )
    elif self.damaged:
      lines.append('no whole checkpoint is left: starting again')
    return lines


def find(
  directory: pathlib.Path,
  identity: Identity,
  common: Callable[[Iterable[int]], set[int]] | None = None,
) -> Found:
  """Looks for an attempt at this trial that did not end.

  Args:
    directory: the trial's.
    identity: of the trial, the versions and the machine.
    common: where there are several processes: of the steps that this one could
      go on from those that all can.

  Raises:
    UsageError: there is one, of something else; names the difference.
  """
  recorded = records.read_trial(directory)
  ended = recorded and recorded['status'] not in records.UNFINISHED
  whole, damaged = {}, []
  for item in () if ended else checkpoint_lib.Folder(directory).load():
    if isinstance(item, checkpoint_lib.Damaged):
      damaged.append(str(item))
      continue
    _check_identity(directory, item.header['identity'], identity)
    whole[item.header['step']] = item
    if common is None:
      break
  steps = whole if common is None else common(whole)
  if not steps:
    return Found(damaged=tuple(damaged))
  chosen = whole[max(steps)]
  done, here = Mark(directory).read(), chosen.header
  lost = {
    'steps': max(0, done.get('step', 0) - here['step']),
    'seconds': max(0.0, done.get('timed', 0.0) - here['clock']['timed']),
  }
  return Found(chosen, tuple(damaged), lost)


def _check_identity(
  directory: pathlib.Path, before: Identity, now: Identity
) -> None:
  different = checkpoint_lib.differences(
    before, json.loads(json.dumps(now, default=str))
  )
  if different:
    raise spec.UsageError(
      f'{directory} holds a checkpoint of another run ({"; ".join(different)}):'
      ' go on with what it was run with, or move that directory away to start '
      'again.'
    )


class Mark:
  """How far a trial has come, to the second; outlives a killed process."""

  def __init__(self, directory: pathlib.Path):
    self._path = directory / _MARK_FILE
    self._handle: int | None = None

  def write(self, step: int, timed: float) -> None:
    """Takes microseconds."""
    text = json.dumps({'step': step, 'timed': round(timed, 3)})
    with contextlib.suppress(OSError):  # A full disk shows elsewhere.
      if self._handle is None:
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
      os.pwrite(self._handle, text.ljust(_MARK_BYTES).encode(), 0)

  def read(self) -> dict[str, float]:
    return files.read_json(self._path) or {}

  def remove(self) -> None:
    self._path.unlink(missing_ok=True)


class Checkpoints:
  """Takes the checkpoints of a running trial.

  Time that passes here is the part 'checkpointing' of the clock: only copying
  to the host. Writing goes on behind the next steps.
  """

  def __init__(
    self,
    folder: checkpoint_lib.Folder,
    identity: Identity,
    *,
    queue: Queue,
    clock: clock_lib.SubmissionClock,
    record: trial_record.TrialRecord,
    fresh: trial_lib.TrainState,
    period: float,
  ):
    """Of a trial that is about to start or to go on.

    Args:
      folder: where they go.
      identity: what they are of.
      queue: whose position belongs to the state.
      clock: of the trial.
      record: of the trial.
      fresh: the state as it was initialised; its functions are not stored.
      period: seconds between checkpoints, besides those at evaluations.
    """
    self._folder = folder
    self._identity = identity
    self._queue = queue
    self._clock = clock
    self._record = record
    self._fresh = {
      name: snapshot.Fresh.of(getattr(fresh, name)) for name in _TREES
    }
    self._period = period
    self._taken_at = self._now
    self._impossible = False

  @property
  def _now(self) -> float:
    return self._clock.started + self._clock.wall

  def due(self, now: float) -> bool:
    """Whether the last one was taken long enough ago."""
    return not self._impossible and now - self._taken_at >= self._period

  def take(self, state: trial_lib.TrainState, *, met_target: bool) -> None:
    """Copies the state and has it written.

    A state that cannot be saved is noted, and the trial goes on without.

    Raises:
      OSError: the checkpoint before could not be written.
    """
    if self._impossible:
      return
    self._folder.wait()
    try:
      trees, arrays = self._freeze(state)
      # A copy: what it refers to changes while it is being written.
      header = json.loads(json.dumps(self._header(state) | {'trees': trees}))
    except (snapshot.CannotSave, TypeError) as error:
      self._impossible = True
      self._record.note('checkpointing', f'impossible: {error}')
      return
    self._taken_at = self._now
    self._folder.save(
      state.step,
      header,
      arrays,
      before=self._record.sync,
      met_target=met_target,
    )

  def _freeze(
    self, state: trial_lib.TrainState
  ) -> tuple[dict[str, Any], list[Any]]:
    trees, arrays = {}, []
    for name in _TREES:
      try:
        trees[name], own = snapshot.freeze(
          getattr(state, name), self._fresh[name]
        )
      except snapshot.CannotSave as error:
        raise snapshot.CannotSave(f'{name}: {error}') from error
      arrays += own
    return trees, arrays

  def _header(self, state: trial_lib.TrainState) -> dict[str, Any]:
    since = self._now - state.evaluated_at
    return {
      'identity': self._identity,
      'step': state.step,
      'clock': self._clock.state(),
      'since_evaluation': since if math.isfinite(since) else None,
      'data': self._queue.get_state(),
      'eval_results': state.eval_results,
      'reached': sorted(state.reached),
      'training_complete': state.training_complete,
      'prepared_at': state.prepared_at,
      'evaluated_after': state.evaluated_after,
      'target_sha256': self._folder.target_sha256,
      'record': self._record.state(),
    }

  def restore(
    self, checkpoint: checkpoint_lib.Checkpoint, state: trial_lib.TrainState
  ) -> None:
    """Puts everything back: state, data, clock; not the record."""
    header, arrays = checkpoint.header, iter(checkpoint.arrays)
    for name in _TREES:
      setattr(state, name, None)  # Frees the fresh one first.
      tree = snapshot.thaw(header['trees'][name], arrays, self._fresh[name])
      setattr(state, name, tree)
    self._folder.target_sha256 = header['target_sha256']
    if 'validation' in header['reached'] and not header['target_sha256']:
      self._folder.target_sha256 = checkpoint.sha256  # It is the one.
    self._queue.set_state(header['data'])
    self._clock.resume(header['clock'])
    now = self._clock.enter('other')
    state.step = header['step']
    state.eval_results = [(step, row) for step, row in header['eval_results']]
    state.reached = set(header['reached'])
    state.training_complete = header['training_complete']
    state.prepared_at = header['prepared_at']
    state.evaluated_after = header['evaluated_after']
    if header['since_evaluation'] is not None:
      state.evaluated_at = now - header['since_evaluation']
    self._taken_at = now
