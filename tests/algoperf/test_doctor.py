"""The doctor names each problem together with what to do about it."""

import dataclasses

import pytest

from algoperf import cli, doctor, hardware


def _findings(data_dir) -> dict[str, doctor.Finding]:
  return {f.what: f for f in doctor.examine(str(data_dir), ('mnist_resnet',))}


def test_a_ready_machine_has_no_problem(data_dir, capsys):
  findings = _findings(data_dir)
  assert {'python', 'jax', 'devices', 'memory', 'disk'} <= set(findings)
  assert findings['devices'].found.startswith('1 × ')
  assert cli.main(['doctor', f'--data_dir={data_dir}']) == 0
  assert 'PROBLEM' not in capsys.readouterr().out


def test_missing_data_is_a_problem_and_is_not_made(tmp_path, capsys):
  assert cli.main(['doctor', f'--data_dir={tmp_path}/none']) == 1
  lines = capsys.readouterr().out.splitlines()
  (at,) = [i for i, s in enumerate(lines) if 'data of mnist_resnet' in s]
  assert lines[at].startswith('PROBLEM')
  assert '→' in lines[at + 1]
  assert not (tmp_path / 'none').exists()


@pytest.mark.parametrize(
  ('name', 'replacement', 'what', 'advice'),
  [
    ('free_disk_gib', lambda path: 0.5, 'disk', 'free 2 GiB'),
    ('host', lambda: {'memory_gib': 1.0}, 'memory', '3 GiB'),
    ('versions', lambda: {'python': '3', 'jax': 'missing'}, 'jax', 'pip'),
  ],
)
def test_what_is_too_little_is_a_problem(
  data_dir, monkeypatch, name, replacement, what, advice
):
  monkeypatch.setattr(doctor.hardware, name, replacement)
  if name == 'host':
    monkeypatch.setattr(
      doctor, '_devices', lambda: doctor.Finding(what='devices', found='')
    )
  assert advice in _findings(data_dir)[what].advice


def test_devices_that_do_not_start_are_a_problem(data_dir, monkeypatch):
  def fail():
    raise RuntimeError('no driver\nand more')

  monkeypatch.setattr(hardware, 'fingerprint', fail)
  finding = _findings(data_dir)['devices']
  assert finding.found.endswith('no driver')
  assert finding.advice
  assert dataclasses.asdict(finding)['what'] == 'devices'
