"""Finding trials in directories and archives."""

from collections.abc import Callable
import io
import os
import pathlib
import tarfile
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from algoperf import spec
from scoring import layout, notices, rows, trial_files
from tests.scoring import logs_on_disk

LOG = 'eval_measurements.csv'
STAMPS = (
  '_2024-03-01-12-00-00',
  '-2024-03-01T12:00:00',
  '_2024-03-01_12-00-00',
  '-2024-03-01T12:00:00.123456+00:00',
  '_20240301-120000',
  '_20240301T120000Z',
)
KINDS = ('.tar.xz', '.tar.gz', '.tgz', '.tar.bz2', '.tar', '.zip')


@pytest.fixture
def trial(tmp_path: pathlib.Path) -> pathlib.Path:
  return logs_on_disk.write_trial(
    tmp_path / 'logs', study=3, trial=2, evaluations=[(1.0, 9.0), (2.0, 8.0)]
  )


def only(*paths: str | os.PathLike[str]) -> trial_files.Trial:
  found, noticed, _ = layout.find(paths)
  assert noticed == []
  assert len(found) == 1
  return found[0]


def kinds(noticed: list[notices.Notice]) -> list[str]:
  return [notice.kind for notice in noticed]


def pack(root: pathlib.Path, archive: pathlib.Path) -> pathlib.Path:
  """Packs what lies below a directory, as people do."""
  if archive.suffix == '.zip':
    with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as file:
      for path in sorted(root.rglob('*')):
        file.write(path, path.relative_to(root))
  else:
    kind = archive.suffix.removeprefix('.').replace('tgz', 'gz')
    mode = 'w' if kind == 'tar' else f'w:{kind}'
    with tarfile.open(archive, mode) as file:
      file.add(root, '.')
  return archive


def tar_of(path: pathlib.Path, members: dict[str, bytes | str]) -> pathlib.Path:
  """A tar file of contents by name; a str is where a symbolic link leads."""
  with tarfile.open(path, 'w') as file:
    for name, content in members.items():
      member = tarfile.TarInfo(name)
      if isinstance(content, str):
        member.type, member.linkname = tarfile.SYMTYPE, content
        file.addfile(member)
      else:
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))
  return path


def test_finds_a_trial_from_every_level(trial: pathlib.Path):
  for root in (trial, *list(trial.parents)[:4]):
    found = only(root)
    assert found == trial_files.Trial(
      path=str(trial),
      submission='sgd',
      workload='lm',
      study=3,
      trial=2,
      framework='jax',
    )
    assert found.read(LOG) == (trial / LOG).read_bytes()
    assert found.has(LOG) and not found.has('trial.json')
    with pytest.raises(FileNotFoundError):
      found.read('trial.json')


def test_overlapping_paths_give_a_trial_once(trial: pathlib.Path):
  only(trial, trial.parent, trial.parents[3])
  (trial.parents[1] / 'trial_9').mkdir()
  _, noticed, _ = layout.find([trial.parents[1], trial.parents[3]])
  assert kinds(noticed) == ['misplaced trial']


def test_relative_paths_know_whose_they_are(
  trial: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
  monkeypatch.chdir(trial.parent)
  assert only('trial_2').key == ('sgd', 'lm', 3, 2)


def test_folders_inside_a_trial_are_no_trials(trial: pathlib.Path):
  for name in ('attempt_1', 'trial_1'):
    (trial / name).mkdir()
    (trial / name / LOG).write_text('')
  only(trial.parents[3])


@pytest.mark.parametrize('stamp', STAMPS)
def test_drops_time_stamps(tmp_path: pathlib.Path, stamp: str):
  names = f'adam{stamp}', f'study_0{stamp}', f'lm_big_pytorch{stamp}', 'trial_1'
  tmp_path.joinpath(*names).mkdir(parents=True)
  found = only(tmp_path)
  assert found.key == ('adam', 'lm_big', 0, 1)
  assert found.framework == 'pytorch'


@pytest.mark.parametrize(
  'name', ['adam_2024-03-01', 'adam_0.5', 'adam_20240301', 'adam_1', 'adam_']
)
def test_keeps_what_may_be_a_version(tmp_path: pathlib.Path, name: str):
  tmp_path.joinpath(name, 'study_1', 'lm_jax', 'trial_1').mkdir(parents=True)
  assert only(tmp_path).submission == name


def test_merges_and_orders(tmp_path: pathlib.Path):
  for submission, study, trial in (('b', 1, 1), ('a', 10, 2), ('a', 2, 1)):
    logs_on_disk.write_trial(
      tmp_path, submission=submission, study=study, trial=trial
    )
  logs_on_disk.write_trial(tmp_path / 'other', submission='a', study=2, trial=3)
  found, noticed, _ = layout.find([tmp_path / 'other', tmp_path])
  keys = [('a', 2, 1), ('a', 2, 3), ('a', 10, 2), ('b', 1, 1)]
  assert [(t.submission, t.study, t.trial) for t in found] == keys
  assert noticed == []


@pytest.mark.parametrize(
  'lost',
  [
    'sgd/study_3/trial_1/x',
    'sgd/study_3/lm/trial_1/x',
    'sgd/study_x/lm_jax/trial_1/x',
    'sgd/lm_jax/trial_1/x',
    f'sgd/study_3/lm_jax/{LOG}',
    f'sgd/study_3/lm_jax/trial_one/{LOG}',
  ],
)
@pytest.mark.parametrize('packed', [False, True])
def test_says_what_is_misplaced(trial: pathlib.Path, lost: str, packed: bool):
  root = trial.parents[3]
  path = root / lost
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text('')
  if packed:
    root = pack(root, root.with_name('logs.tar.gz'))
  found, noticed, _ = layout.find([root])
  assert len(found) == 1
  lost = lost.removesuffix('/x')
  assert [(n.kind, n.path) for n in noticed] == [
    ('misplaced trial', f'{root}/{lost}')
  ]


def test_refuses_paths_without_trials(tmp_path: pathlib.Path):
  (tmp_path / 'logs.txt').write_text('')
  for path in (tmp_path / 'nowhere', tmp_path / 'logs.txt'):
    with pytest.raises(spec.UsageError, match='no such directory or archive'):
      layout.find([path])
  with pytest.raises(spec.UsageError, match='no trials below'):
    layout.find([tmp_path])
  with pytest.raises(spec.UsageError, match='no path given'):
    layout.find([])


def test_refuses_a_directory_that_it_may_not_read(
  trial: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
  def scandir(path: str) -> None:
    raise PermissionError(13, 'Permission denied', path)

  monkeypatch.setattr(os, 'scandir', scandir)
  with pytest.raises(spec.UsageError, match=r'cannot read .*lm_jax: Perm'):
    layout.find([trial.parent])


def test_refuses_names_that_nobody_can_print(tmp_path: pathlib.Path):
  name = os.fsdecode(b'ad\xe4m')
  (tmp_path / name / 'study_1/lm_jax/trial_1').mkdir(parents=True)
  for path in (tmp_path, tmp_path / name):
    with pytest.raises(spec.UsageError, match=r'must be UTF-8.*ad\\udce4m'):
      layout.find([path])
  archive = tar_of(
    tmp_path / 'a.tar', {f'{name}/study_1/lm_jax/trial_1/{LOG}': b''}
  )
  with pytest.raises(spec.UsageError, match=r'not UTF-8.*ad\\udce4m'):
    layout.find([archive])


def test_follows_links_once(trial: pathlib.Path, tmp_path: pathlib.Path):
  root = tmp_path / 'links'
  root.mkdir()
  (root / 'again').symlink_to(root)
  (root / 'up').symlink_to(tmp_path.parent)
  (root / 'itself').symlink_to('itself')
  (root / 'nowhere').symlink_to('nothing')
  (root / 'lion').symlink_to(trial.parents[2])
  (trial.parents[2] / 'back').symlink_to(root)
  found, noticed, _ = layout.find([root, root / 'lion'])
  assert [t.submission for t in found] == ['lion']
  assert set(kinds(noticed)) == {'repeated link'}
  (root / 'tiger').symlink_to(trial.parents[2])
  found, noticed, _ = layout.find([root])
  assert len(found) == 1
  assert any('as /' in n.message for n in noticed)


def test_counts_copies_once(trial: pathlib.Path, tmp_path: pathlib.Path):
  archive = pack(trial.parents[3], tmp_path / 'logs.tar.xz')
  found, noticed, _ = layout.find([trial.parents[3], archive])
  assert [t.path for t in found] == [str(trial)]
  assert [(n.kind, n.path) for n in noticed] == [
    ('duplicate trial', f'{archive}/sgd/study_3/lm_jax/trial_2')
  ]
  assert str(trial) in noticed[0].message


def test_keeps_two_logs_of_one_trial(trial: pathlib.Path):
  other = trial.parents[2].with_name('sgd_2024-03-01-12-00-00')
  other.joinpath(*trial.parts[-3:]).mkdir(parents=True)
  found, noticed, _ = layout.find([trial.parents[3]])
  assert [t.key for t in found] == [('sgd', 'lm', 3, 2)] * 2
  assert kinds(noticed) == ['same trial twice']
  named = {noticed[0].path, noticed[0].message.rpartition(' ')[2]}
  assert named == {t.path for t in found}


def test_says_so_if_there_are_two_frameworks(tmp_path: pathlib.Path):
  for study, suffix in enumerate(('_jax', '_pytorch', '_jax')):
    logs_on_disk.write_trial(tmp_path, study=study, suffix=suffix)
  found, noticed, _ = layout.find([tmp_path])
  assert len(found) == 3
  assert [(n.kind, n.submission, n.workload) for n in noticed] == [
    ('two frameworks', 'sgd', 'lm')
  ]


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('level', range(4))
def test_reads_archives_of_every_level(
  trial: pathlib.Path, tmp_path: pathlib.Path, kind: str, level: int
):
  """From one that holds submissions to one that holds the trial alone."""
  (trial / 'hparams.json').write_text('{}')
  (trial / 'trial.log').write_text('no part of the score')
  root = trial.parents[3 - level]
  place = tmp_path.joinpath('packed', *trial.parts[-4:][: max(level - 1, 0)])
  place.mkdir(parents=True)
  archive = pack(root, place / f'{root.name}{kind}')
  found = only(archive)
  assert found.key == ('sgd', 'lm', 3, 2)
  inside = trial.relative_to(root).as_posix()
  assert found.path == f'{archive}/{inside}'
  assert found.read(LOG) == (trial / LOG).read_bytes()
  assert found.read('hparams.json') == b'{}'
  assert found.has(LOG) and not found.has('trial.log')
  with pytest.raises(FileNotFoundError):
    found.read('trial.log')


def test_finds_trials_without_a_log_in_archives(tmp_path: pathlib.Path):
  (tmp_path / 'logs/sgd/study_1/lm_jax/trial_1').mkdir(parents=True)
  for kind in KINDS:
    found = only(pack(tmp_path / 'logs', tmp_path / f'logs{kind}'))
    assert not found.has(LOG)


def test_names_in_archives_are_only_names(tmp_path: pathlib.Path):
  (tmp_path / LOG).write_text('secret')
  trial = 'sgd/study_1/lm_jax/trial_1'
  for prefix in ('../..', '/etc', './.'):
    archive = tar_of(tmp_path / 'a.tar', {f'{prefix}/{trial}/{LOG}': b'log'})
    found = only(archive)
    assert found.key == ('sgd', 'lm', 1, 1)
    assert found.read(LOG) == b'log'
    with pytest.raises(FileNotFoundError):
      found.read(f'../../../../../{LOG}')
  assert sorted(p.name for p in tmp_path.iterdir()) == ['a.tar', LOG]


def test_links_in_archives_lead_inside_only(tmp_path: pathlib.Path):
  (tmp_path / 'outside').write_text('secret')
  trial = 'sgd/study_1/lm_jax/trial_'
  members = {
    f'{trial}1/{LOG}': b'log',
    f'{trial}2/{LOG}': f'../trial_1/{LOG}',
    f'{trial}3/{LOG}': str(tmp_path / 'outside'),
  }
  found, noticed, _ = layout.find([tar_of(tmp_path / 'a.tar', members)])
  assert noticed == []
  assert [t.has(LOG) and t.read(LOG) for t in found] == [b'log', b'log', False]


def test_leaves_out_what_macos_adds_to_zip_files(
  trial: pathlib.Path, tmp_path: pathlib.Path
):
  archive = pack(trial.parents[3], tmp_path / 'logs.zip')
  with zipfile.ZipFile(archive, 'a') as file:
    name = f'sgd/study_3/lm_jax/trial_2/._{LOG}'
    file.writestr(f'__MACOSX/{name}', b'\0')
  only(archive)


@pytest.mark.parametrize('kind', KINDS)
def test_refuses_archives_that_are_cut_off(
  trial: pathlib.Path, tmp_path: pathlib.Path, kind: str
):
  (trial / LOG).write_bytes(os.urandom(4096))
  archive = pack(trial.parents[3], tmp_path / f'logs{kind}')
  whole = archive.read_bytes()
  # A tar file is padded with zeros, of which some may be missing.
  size = len(whole) - 10240 if kind == '.tar' else len(whole)
  for left in sorted({0, 1, 300, 512, size // 2, size - 600, size - 1}):
    archive.write_bytes(whole[: max(left, 0)])
    with pytest.raises(spec.UsageError, match=f'cannot read .*logs{kind}: '):
      layout.find([archive])


def changed(content: bytes, at: int, byte: int) -> bytes:
  at %= len(content)
  return content[:at] + bytes([byte]) + content[at + 1 :]


@pytest.fixture(scope='module')
def packed(
  tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], pathlib.Path]:
  root = tmp_path_factory.mktemp('packed')
  for number in (1, 2):
    logs_on_disk.write_trial(
      root / 'logs', trial=number, evaluations=[(1.0, 2.0 + number)]
    )
  return lambda kind: pack(root / 'logs', root / f'logs{kind}')


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(KINDS), st.integers(0), st.integers(0, 255))
def test_damaged_archives_do_not_crash(
  packed: Callable[[str], pathlib.Path], kind: str, at: int, byte: int
):
  archive = packed(kind)
  archive.write_bytes(changed(archive.read_bytes(), at, byte))
  try:
    found, *_ = layout.find([archive])
  except spec.UsageError as error:
    assert '\n' not in str(error)
  else:
    assert found


def test_refuses_encrypted_archives(
  trial: pathlib.Path, tmp_path: pathlib.Path
):
  archive = pack(trial.parents[3], tmp_path / 'logs.zip')
  content = archive.read_bytes()
  entry, flags = b'PK\x01\x02', 8  # Of the directory at the end of the file.
  at = content.rindex(entry) + flags
  archive.write_bytes(changed(content, at, content[at] | 1))
  with pytest.raises(spec.UsageError, match='is encrypted'):
    layout.find([archive])


def test_refuses_what_is_no_archive(tmp_path: pathlib.Path):
  for kind in KINDS:
    path = tmp_path / f'logs{kind}'
    path.write_bytes(b'accumulated_submission_time,global_step\n' * 50)
    with pytest.raises(spec.UsageError, match='cannot read the archive'):
      layout.find([path])
    path.unlink()
    path.mkdir()  # A directory may be called so.
    with pytest.raises(spec.UsageError, match='no trials below'):
      layout.find([path])


def test_notices_say_where():
  notice = notices.Notice(kind='k', message='m', path='/a', line=3)
  assert notice.place == '/a:3'
  cell = notices.Notice(kind='k', message='m', submission='s', study=0)
  assert cell.place == 's study 0'
  frame = rows.frame(notices.Notice, [notice, cell])
  assert frame['line'].tolist()[0] == 3
  assert frame[['study', 'line']].isna().to_numpy().tolist() == [
    [True, False],
    [False, True],
  ]
  assert list(rows.frame(notices.Notice, []).columns) == list(frame.columns)
