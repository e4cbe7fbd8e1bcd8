"""Submissions are found by what users call them, and known by their sources."""

import pytest

from algoperf import sources, spec

_SHORT = 'def optimizer(hyperparameters, step_hint): ...\n'


def test_locates_file_folder_name_and_module(write, tmp_path, monkeypatch):
  file = write('sgd.py', _SHORT)
  inner = write('mine/submission.py', _SHORT)
  space = write('mine/tuning_search_space.json', '[]')
  monkeypatch.syspath_prepend(tmp_path)
  write('pack/__init__.py', 'raise RuntimeError("must not be imported")')
  deep = write('pack/algorithms/lion.py', _SHORT)

  found = sources.locate(str(file))
  assert (found.name, found.path) == ('sgd', file)
  assert found.search_space is None
  for reference in (inner, inner.parent):
    found = sources.locate(str(reference))
    assert (found.name, found.path, found.search_space) == (
      'mine',
      inner,
      space,
    )
  found = sources.locate('nadamw')
  assert found.name == 'nadamw'
  assert found.search_space.is_file()
  assert sources.locate('submissions.nadamw').path == found.path
  assert sources.locate('submissions.nadamw.submission').path == found.path
  assert sources.locate('pack.algorithms.lion').path == deep


def test_locates_a_package(write):
  init = write('lion/__init__.py', _SHORT)
  assert sources.locate(str(init.parent)).name == 'lion'


@pytest.mark.parametrize('reference', ['nadam', 'elsewhere/nadam.py'])
def test_an_unknown_submission_names_near_matches(reference):
  with pytest.raises(spec.UsageError) as error:
    sources.locate(reference)
  assert reference in str(error.value)
  assert 'Did you mean nadamw' in str(error.value)


@pytest.mark.parametrize('reference', ['', 'json', 'no.such.module', 'a b'])
def test_nothing_to_be_found(reference):
  with pytest.raises(spec.UsageError, match='heavy_ball'):
    sources.locate(reference)


def test_digest_depends_on_source_files_alone(write):
  path = write('mine/submission.py', _SHORT)
  digests = [sources.locate(str(path)).digest]
  write('mine/notes.txt', 'none')
  write('mine/__pycache__/x.pyc', 'none')
  write('mine/experiments/trial_1/trial.json', '{}')
  write('mine/.venv/x.py', '')
  assert sources.locate(str(path)).digest == digests[0]
  for name, text in (
    ('mine/tuning_search_space.json', '[]'),
    ('mine/parts/helper.py', 'x = 1'),
    ('mine/parts/helper.py', 'x = 2'),
    ('mine/submission.py', _SHORT + '# Changed.'),
  ):
    write(name, text)
    digests.append(sources.locate(str(path)).digest)
  assert len(set(digests)) == 5


def test_digest_depends_on_neighbours_that_are_imported(write):
  write('.git', '')
  path = write('algorithms/mine.py', _SHORT + 'from algorithms import common')
  digests = []
  for name, text in (
    ('algorithms/common.py', 'x = 1'),
    ('algorithms/common.py', 'x = 2'),
    ('algorithms/other.py', 'x = 3'),
    ('algorithms/tuning_search_space.json', '[]'),
  ):
    write(name, text)
    digests.append(sources.locate(str(path)).digest)
  assert digests[0] != digests[1] == digests[2] == digests[3]
