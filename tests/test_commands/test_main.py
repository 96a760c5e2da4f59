"""``m3i`` and ``python -m m3i_mm``."""

import subprocess
import sys

import pytest
from toy.downstream import ROOT

from m3i_mm.commands import COMMANDS, main

pytestmark = pytest.mark.openmmlab


@pytest.fixture(autouse=True)
def _same_argv(monkeypatch):
    monkeypatch.setattr(sys, 'argv', list(sys.argv))


def test_the_module_is_the_command():
    result = subprocess.run(
        [sys.executable, '-m', 'm3i_mm', '--help'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    for name in COMMANDS:
        assert f'  {name} ' in result.stdout


@pytest.mark.parametrize('name', sorted(COMMANDS))
def test_every_help_has_an_example(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*name.split(), '--help'])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f'usage: m3i {name}')
    assert f'  m3i {name} ' in said.partition('example:')[2]


@pytest.mark.parametrize(
    ('words', 'near'),
    [
        (['trian'], "'train'"),
        (['data', 'chek'], "'data check'"),
        (['data'], 'm3i --help'),
    ],
)
def test_an_unknown_command(words, near, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert near in capsys.readouterr().err


def test_configs_are_listed_and_printed(capsys):
    main(['configs', 'mask-rcnn_internimage-t'])
    listed = capsys.readouterr().out.split()
    assert listed
    assert all('coco/mask-rcnn_internimage-t' in name for name in listed)
    main(
        ['configs', '--print', 'm3i_vit-base-p16_32xb128-amp-coslr-400e_in1k']
    )
    assert "type='m3i_mm.M3I'" in capsys.readouterr().out
    with pytest.raises(SystemExit, match='no config is like'):
        main(['configs', 'nonesuch'])


def test_a_tool_of_the_command_fails_in_one_line(tmp_path):
    with pytest.raises(SystemExit, match='^error: .*absent') as stop:
        main(['data', 'check', str(tmp_path / 'absent')])
    assert stop.value.code == 2
