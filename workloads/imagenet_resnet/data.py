"""The data sets of the family, each a module of its own."""

from workloads import family
from workloads.imagenet_resnet import digits, imagenet, toy

DATA_SETS: dict[str, family.Data] = {
  'imagenet2012': imagenet,
  'mnist5k': digits,
  'generated': toy.DATA,
}
