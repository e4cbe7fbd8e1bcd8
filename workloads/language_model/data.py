"""The data sets of the family, each a module of its own.

Windows cut from the joined documents of `fineweb_edu_10b` (on disk) and
`shakespeare_plays` (in memory), and sentences, packed in training, of `lm1b`.
"""

from workloads import family
from workloads.language_model import fineweb, lm1b, plays, toy

DATA_SETS: dict[str, family.Data] = {
  'fineweb_edu_10b': fineweb,
  'lm1b': lm1b,
  'shakespeare_plays': plays,
  'generated': toy.DATA,
}
