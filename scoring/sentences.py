"""What is said of a result in sentences: rules, certainty, warnings."""

from collections.abc import Sequence
import math

from algoperf import spec
from scoring import cells as cells_lib
from scoring import intervals, notices
from scoring import result as result_lib


def loud(result: result_lib.Result) -> list[str]:
  """Warnings that no reader of the scores may miss."""
  return [
    f'Other hardware: {notice.message}.'
    for notice in result.rows.notices
    if notice.kind == 'other hardware'
  ]


def title(result: result_lib.Result) -> str:
  """What was scored, and by which rules, in one line."""
  parts = [
    'Scores',
    result.benchmark.name,
    f'{result.ruleset.name} tuning',
    'by steps' if result.by == 'steps' else '',
    'as published' if result.as_published else '',
  ]
  return ' · '.join(filter(None, parts))


def company(result: result_lib.Result) -> list[str]:
  """Which board takes part, if any."""
  if result.board is None:
    return []
  what = 'Among the' if result.evidence.trials else 'The'
  return [
    f'{what} published results of {result.board.benchmark} '
    f'({result.board.source}; on {result.board.hardware}).'
  ]


def rules(result: result_lib.Result) -> list[str]:
  """What score and speed-up are, and by which rules."""
  lines = [
    'Score: mean height of the performance profile up to '
    f'{result.rules.max_ratio:g} × the best; relative to the submissions in '
    'this table. Solved: workloads that count. Hits: trials that reached '
    'their target.'
  ]
  if result.by == 'steps':
    lines.append(
      'Steps are calls of update_params; what a submission does in one is its '
      'own affair.'
    )
  if result.as_published:
    lines.append(
      'As published: of a study the trial with the fewest evaluations counts, '
      'and the profile is integrated over 100 points, as AlgoPerf’s scorer '
      'does. Without --as_published the rules are applied as written.'
    )
  if result.has_verifications:
    lines.append(
      'Verified: of the trials that count, those that `algoperf verify` '
      'confirmed, and whose files are still the same.'
    )
  if result.reference is not None:
    bound = 'budget' if result.by == 'time' else 'step hint'
    lines.append(
      'Speed-up: geometric mean over workloads, relative to '
      f'{result.reference}; ~ where a target that was not reached counts as '
      f'the {bound}.'
    )
  return lines


def certainty(result: result_lib.Result) -> list[str]:
  """What the intervals are, and which neighbours they cannot tell apart."""
  if all(math.isnan(row.low) for row in result.rows.scores):
    return [
      'No intervals: they need two studies or more, for it is studies that are '
      'resampled.'
    ]
  fewest = result.fewest_studies
  lines = [
    'Intervals, and the ranks in brackets: 95 %, by a bootstrap over studies. '
    f'With {fewest} studies they held the true score in '
    f'{intervals.coverage(fewest):.1%} of simulated competitions.'
  ]
  alike = [
    f'{pair.better} – {pair.worse}'
    for pair in result.rows.pairs
    if pair.adjacent and not pair.distinct
  ]
  if alike:
    lines.append(f'Neighbours that cannot be told apart: {", ".join(alike)}.')
  return lines


def separation(result: result_lib.Result, names: Sequence[str]) -> str:
  """How many more studies should tell two submissions apart.

  Raises:
    UsageError: not two different submissions that take part.
  """
  known = result.rows.submissions
  if len(names) != 2 or names[0] == names[1] or not set(names) <= set(known):
    raise spec.UsageError(
      f'--separate takes two of {", ".join(known)}, separated by a comma; '
      f'not {",".join(names)!r}'
    )
  row = next(
    pair for pair in result.rows.pairs if {pair.better, pair.worse} == {*names}
  )
  start = (
    f'{row.better} – {row.worse}: {row.difference:.4f} '
    f'(95 %: {row.low:.4f} to {row.high:.4f}): '
  )
  if row.distinct:
    return f'{start}told apart already.'
  if math.isinf(row.studies_needed):
    return f'{start}no number of studies can be said to tell them apart.'
  return (
    f'{start}about {row.studies_needed:.0f} more studies of each should tell '
    'them apart (with 80 % power, if difference and spread stay as they are).'
  )


def differences(result: result_lib.Result) -> list[str]:
  """Medians that AlgoPerf's own scorer forms otherwise, one a line."""
  found = result.rows.differences
  if not found or result.by != 'time':
    return []
  medians = result.rows.medians_SxW.size
  now = sum(row.as_published != row.as_written for row in found)
  sure = sum(row.low != row.as_written for row in found)
  return [
    'AlgoPerf’s scorer takes of a study the trial with the fewest evaluations, '
    'of several the one that it reads first; the rules as written take the '
    f'least time. {now} of {medians} medians differ if trials are '
    f'read in the order of their numbers, {sure} in any order, {len(found)} in '
    'some. As written → as published, or in another order:',
    *(
      f'  {row.submission} {row.workload}: {row.as_written:,.1f} → '
      f'{row.as_published:,.1f}{_relative(row.as_written, row.as_published)}'
      f'{_other_order(row)}'
      for row in found
    ),
  ]


def _relative(value: float, other: float) -> str:
  known = math.isfinite(value) and math.isfinite(other) and other > 0
  return f' ({value / other - 1:+.2%})' if known and value != other else ''


def _other_order(row: cells_lib.Difference) -> str:
  """What the published median would be if trials were read otherwise."""
  ends = {row.low, row.high} - {row.as_published}
  return ''.join(f', or {end:,.1f}' for end in sorted(ends))


def warnings(result: result_lib.Result) -> list[str]:
  """One line for each kind of warning, with its number and first example."""
  kinds: dict[str, list[notices.Notice]] = {}
  for notice in result.rows.notices:
    if notice.kind != 'other hardware':
      kinds.setdefault(notice.kind, []).append(notice)
  lines = []
  for kind, some in kinds.items():
    first = some[0]
    line = '' if first.line is None else f' (line {first.line})'
    more = f' (and {len(some) - 1} more)' if len(some) > 1 else ''
    start = ': '.join(filter(None, (kind, first.subject or first.path)))
    lines.append(f'{start}: {first.message}{line}{more}')
  return lines
