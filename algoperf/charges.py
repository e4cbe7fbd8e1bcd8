"""From what code does to what a submission is charged with: what, and where."""

from collections.abc import Callable, Collection
import types
from typing import Any

from algoperf import blame, lent, unseen

_LENT = (lent.__file__, unseen.__file__)

Check = Callable[[tuple[Any, ...], types.FrameType | None], None]
"""Takes the arguments of an event, and the frame that it comes from."""


class Charges:
  """Makes checks that report what a submission is behind."""

  def __init__(
    self,
    origins: blame.Origins,
    report: Callable[[str], None],
    sanctioned: Collection[types.CodeType],
  ):
    """Checks nothing by itself.

    Args:
      origins: whose code is whose.
      report: takes what was found, a line each.
      sanctioned: code of the harness that may do anything, whoever asks.
    """
    self._origins = origins
    self._report = report
    self._sanctioned = sanctioned

  def of(
    self,
    what: str,
    through: Collection[str] = blame.INSTALLED,
    words: Collection[str] = (),
  ) -> Check:
    """A check of an event; its first argument is quoted if it is a text.

    Args:
      what: is done.
      through: as in `Origins.culprit`.
      words: likewise.
    """

    def check(args: tuple[Any, ...], frame: types.FrameType | None) -> None:
      culprit = self._origins.culprit
      if place := culprit(frame, through, self._sanctioned, words):
        detail = f' ({args[0]})' if args and type(args[0]) is str else ''
        self._report(f'{what}{detail} in {place}')

    return check

  def told(self, text: str, through: Collection[str]) -> Check:
    """A check of an event that a thing which was lent tells of its use.

    Args:
      text: with {0} for the event's argument and {1} for the place.
      through: as in `Origins.culprit`.
    """

    def check(args: tuple[Any, ...], frame: types.FrameType | None) -> None:
      while frame is not None and frame.f_code.co_filename in _LENT:
        frame = frame.f_back
      if place := self._origins.culprit(frame, through):
        self._report(text.format(args[0], place))

    return check
