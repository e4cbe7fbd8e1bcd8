import pytest

from algoperf import scaffold, sources, spec, submission


@pytest.mark.parametrize('template', scaffold.TEMPLATES)
def test_a_new_submission_is_complete(tmp_path, template):
  folder = scaffold.create('my_optimizer', tmp_path / 'new', template)
  assert folder == tmp_path / 'new' / 'my_optimizer'
  source = sources.locate(str(folder))
  submission.check(source)
  assert source.name == 'my_optimizer'
  assert source.path.read_text().startswith('"""my_optimizer: ')
  assert (source.search_space is None) == (template == 'self_tuning')


@pytest.mark.parametrize('name', ['', 'my-optimizer', '3d', 'class', '../x'])
def test_a_bad_name_is_refused(tmp_path, name):
  with pytest.raises(spec.UsageError, match='identifier'):
    scaffold.create(name, tmp_path)
  assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
  submission_py = scaffold.create('mine', tmp_path) / 'submission.py'
  submission_py.write_text('# Work of a week.')
  with pytest.raises(spec.UsageError, match='mine exists'):
    scaffold.create('mine', tmp_path)
  assert submission_py.read_text() == '# Work of a week.'


def test_bad_template_and_bad_directory_are_refused(tmp_path):
  with pytest.raises(
    spec.UsageError, match=r"'torch'.*optax, full, self_tuning"
  ):
    scaffold.create('mine', tmp_path, 'torch')
  (tmp_path / 'file').write_text('')
  with pytest.raises(spec.UsageError, match='Cannot write'):
    scaffold.create('mine', tmp_path / 'file')
