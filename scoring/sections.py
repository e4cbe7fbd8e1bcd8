"""The parts of a report, in the order in which a reader asks for them."""

from collections.abc import Iterable
import math

from scoring import (
  appendix,
  intervals,
  plots,
  section,
  sentences,
  sheets,
  statistics,
)
from scoring import result as result_lib
from scoring.plots import durations, training

_STUDY_RULES = {
  'least_time': 'Of a study, the trial that took least to its target counts.',
  'fewest_evaluations': (
    'Of a study, the trial with the fewest evaluations to its target counts, '
    'as AlgoPerf’s own scorer does it; the rules as written take the fastest.'
  ),
}
_INTEGRALS = {
  'exact': 'The score is the mean height of this profile, integrated exactly.',
  'trapezoid': (
    'The score is the mean height of this profile, integrated as a trapezoid '
    'over 100 points, as AlgoPerf’s own scorer does it.'
  ),
}


def of(result: result_lib.Result) -> list[section.Section]:
  """All sections that have something to say."""
  parts = [
    _scores(result),
    _rules(result),
    _neighbours(result),
    _profiles(result),
    _times(result),
    _curves(result),
    _leave_one_out(result),
    appendix.winners(result),
    appendix.counts(result),
    appendix.differences(result),
    appendix.warnings(result),
    appendix.hardware(result),
  ]
  return [part for part in parts if part is not None]


def _scores(result: result_lib.Result) -> section.Section:
  return section.Section(
    anchor='scores',
    title='Scores',
    texts=[
      'Relative to the submissions in this table: other company, other score. '
      'Solved: workloads that count.',
      *_certainty(result),
    ],
    tables=[sheets.scores(result)],
    figures=[plots.scores(result)],
  )


def _certainty(result: result_lib.Result) -> Iterable[str]:
  """What the intervals are, and how often they hold."""
  if all(math.isnan(row.low) for row in result.rows.scores):
    yield 'No intervals: studies are resampled, so two or more are needed.'
    return
  fewest = result.fewest_studies
  yield (
    'Intervals and ranges of ranks are for 95 %, by a bootstrap over studies, '
    'each workload by itself; they say what a repetition with new studies '
    f'might give, not what other workloads would. With {fewest} studies they '
    f'held the true score in {intervals.coverage(fewest):.1%} of cases '
    f'({intervals.COVERAGE_SOURCE}).'
  )
  if result.reference is not None:
    yield (
      'Speed-up: geometric mean over workloads, relative to '
      f'{result.reference}; it does not depend on who else takes part. ~: a '
      'target that was not reached counts as the limit, so it is a bound.'
    )


def _rules(result: result_lib.Result) -> section.Section:
  rules, numbers = result.rules, result.ruleset
  limit = f'{rules.max_ratio:g}'
  amount = 'time' if result.by == 'time' else 'number of steps'
  points = [
    f'{numbers.studies} studies of {numbers.trials} trials each '
    f'({numbers.name} tuning), {len(result.workloads)} workloads'
    + (
      f', {len(result.columns.variants)} held-out variants.'
      if result.columns.variants
      else '.'
    ),
    f'A trial’s {amount} is that of its first evaluation that meets the '
    'validation target.',
    _STUDY_RULES[rules.study],
    'Of the studies, the median counts; a target that was not reached took '
    'infinitely long.',
    f'Above {limit} × the best on its workload, a median does not count.',
    'The performance profile is the share of workloads within a multiple of '
    f'the best, from 1 to {limit}.',
    _INTEGRALS[rules.integral],
  ]
  if rules.held_out == 'both' and result.columns.variants:
    points.append(
      'A workload and its held-out variant count together or not at all.'
    )
  texts = [
    f'Benchmark {result.benchmark.name} (digest '
    f'{result.benchmark.digest[:12]}), compared by {result.by}.',
    *sentences.company(result),
  ]
  return section.Section(
    anchor='rules',
    title='Rules',
    texts=texts,
    points=points,
  )


def _neighbours(result: result_lib.Result) -> section.Section | None:
  rows = [
    [
      sheets.Cell(text=row.better, mark='submission'),
      sheets.Cell(text=row.worse, mark='submission'),
      sheets.Cell(text=f'{row.difference:.4f}'),
      sheets.Cell(text=_signed(row.low, row.high), key=row.low),
      sheets.Cell(text='yes' if row.distinct else 'no'),
      sheets.Cell(text=_needed(row), key=row.studies_needed),
    ]
    for row in result.rows.pairs
    if row.adjacent
  ]
  if not rows:
    return None
  header = (
    'better',
    'worse',
    'difference',
    '95 % interval',
    'told apart',
    'more studies needed',
  )
  return section.Section(
    anchor='neighbours',
    title='Neighbours',
    texts=[
      'Submissions that follow each other. Two are told apart if zero lies '
      'outside the interval of the difference of their scores. Studies needed: '
      'of each, an estimate for a chance of 80 %.'
    ],
    tables=[sheets.Sheet(header=header, rows=rows, left=2)],
  )


def _signed(low: float, high: float) -> str:
  return '–' if math.isnan(low) else f'{low:+.3f} to {high:+.3f}'


def _needed(row: statistics.Pair) -> str:
  if row.distinct:
    return '0'
  if not math.isfinite(row.studies_needed):
    return '–'
  return f'{row.studies_needed:.0f}'


def _profiles(result: result_lib.Result) -> section.Section:
  return section.Section(
    anchor='profiles',
    title='Performance profiles',
    figures=[plots.profiles(result)],
  )


def _times(result: result_lib.Result) -> section.Section:
  unit = 'seconds' if result.by == 'time' else 'steps'
  return section.Section(
    anchor='times',
    title=f'{unit.capitalize()} to target',
    texts=[
      f'Medians over studies, in {unit}. Bold: the best; in brackets: too slow '
      'to count, or held back by the held-out rule; ∞: not reached. Below, a '
      'dot is a study, the thin line leads from its last miss to its first '
      'hit, and the tick is the median, short where it does not count.'
    ],
    tables=[sheets.times(result)],
    panels=durations.panels(result),
    wide=True,
  )


def _curves(result: result_lib.Result) -> section.Section | None:
  if not len(result.evidence.reading.logs.time_N):
    return None
  return section.Section(
    anchor='curves',
    title='Training curves',
    texts=[
      'Validation metric while training; dashed: the target. Strong: the trial '
      'of each study that counts, with a dot where it reached the target; '
      f'faint: other trials, of workloads with up to {training.MOST}.'
    ],
    legend=True,
    panels=training.panels(result),
  )


def _leave_one_out(result: result_lib.Result) -> section.Section | None:
  rows = {
    name: [sheets.Cell(text=name, mark='submission')]
    for name in result.rows.submissions
  }
  for row in result.left_out:  # One workload after the other.
    text = f'{row.change:+.4f}'
    text += f' → rank {row.rank}' if row.rank_change else ''
    rows[row.submission].append(
      sheets.Cell(text=text, key=row.change, tint=row.change * 10)
    )
  if not result.left_out:
    return None
  return section.Section(
    anchor='leave-one-out',
    title='Without one workload',
    texts=[
      'How each score changes if a workload is left out, and the rank if that '
      'changes too.'
    ],
    tables=[
      sheets.Sheet(
        header=('submission', *result.workloads), rows=list(rows.values())
      )
    ],
  )
