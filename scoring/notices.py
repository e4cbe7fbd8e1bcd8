"""Notices: what a reader of the scores should know, as rows of warnings."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
  """One thing that a reader of the scores should know, and where it is.

  Attributes:
    kind: a few words that all notices of the kind share: 'damaged log'.
    message: one line on this one.
    submission: '' if it is about more than one.
    workload: likewise.
    study: likewise None.
    trial: likewise None.
    path: the file or directory, '' if it is about none.
    line: in the file, from 1; None if it is about no line of it.
  """

  kind: str
  message: str
  submission: str = ''
  workload: str = ''
  study: int | None = None
  trial: int | None = None
  path: str = ''
  line: int | None = None

  @property
  def subject(self) -> str:
    """What it is about, '' if it is about everything."""
    numbers = (('study', self.study), ('trial', self.trial))
    words = [self.submission, self.workload]
    words += [f'{name} {n}' for name, n in numbers if n is not None]
    return ' '.join(filter(None, words))

  @property
  def place(self) -> str:
    """Where to look: the file and line, or else what it is about."""
    if not self.path:
      return self.subject
    return self.path if self.line is None else f'{self.path}:{self.line}'
