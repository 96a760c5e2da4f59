"""The package as users get it: wheel, editable install and checkout."""

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from m3i_mm import __version__

pytestmark = pytest.mark.openmmlab
REPOSITORY = Path(__file__).parents[1]
SOURCES = (
    'LICENSE',
    'MANIFEST.in',
    'README.md',
    'configs',
    'm3i_mm',
    'model-index.yml',
    'pyproject.toml',
    'setup.cfg',
    'setup.py',
    'tools',
)
CONFIG = '_base_/default_runtime.py'


def run(*command, cwd, env=None):
    result = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def build(kind, source):
    """Call a hook of the build backend; return the file that it made."""
    code = (
        'from setuptools import build_meta\n'
        f'name = build_meta.build_{kind}({str(source / "dist" / kind)!r})\n'
        'print(name)'
    )
    name = run('-c', code, cwd=source).splitlines()[-1]
    return source / 'dist' / kind / name


def install(wheel, target):
    run(
        *('-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index'),
        *('--no-compile', '--target', target, wheel),
        cwd=target.parent,
    )
    return target


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of the repository, so that building leaves it alone."""
    root = tmp_path_factory.mktemp('checkout')
    ignore = shutil.ignore_patterns('__pycache__')
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, root / name, symlinks=True, ignore=ignore)
        elif source.exists():
            shutil.copy2(source, root)
    return root


@pytest.fixture(scope='module')
def wheel(checkout):
    return build('wheel', checkout)


@pytest.fixture(scope='module')
def sdist(checkout):
    return build('sdist', checkout)


def shipped(root, folder):
    return {
        path.relative_to(root).as_posix()
        for path in (root / folder).rglob('*')
        if path.is_file() and '.mim' not in path.parts
    }


def test_wheel_holds_the_package_and_mim(checkout, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {
            name for name in archive.namelist() if 'dist-info' not in name
        }
    expected = shipped(checkout, 'm3i_mm')
    extras = {'model-index.yml'}
    extras |= shipped(checkout, 'configs') | shipped(checkout, 'tools')
    assert names == expected | {f'm3i_mm/.mim/{name}' for name in extras}
    assert wheel.name == f'm3i_mm-{__version__}-py3-none-any.whl'


def test_wheel_of_the_sdist_is_the_same(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter='data')
    (source,) = tmp_path.iterdir()
    again = build('wheel', source)
    contents = []
    for path in (wheel, again):
        with zipfile.ZipFile(path) as archive:
            contents.append(set(archive.namelist()))
    assert contents[0] == contents[1]


def test_launch_scripts_stay_executable(wheel, tmp_path):
    mim = install(wheel, tmp_path / 'site') / 'm3i_mm' / '.mim'
    assert (mim / 'tools' / 'dist_train.sh').stat().st_mode & 0o100


def test_neither_line_of_openmmlab_is_required(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith('/METADATA'))
        metadata = archive.read(name).decode()
    required = [
        line
        for line in metadata.splitlines()
        if line.startswith('Requires-Dist') and 'extra ==' not in line
    ]
    assert required
    assert not any('mm' in line for line in required)
    for extra in ('onedl', 'openmmlab', 'text', 'data', 'export', 'dev'):
        assert f'Provides-Extra: {extra}' in metadata


PROBE = """
import site, sys
for folder in sys.argv[2:]:
    site.addsitedir(folder)
import m3i_mm
from mmengine import Config
from mmengine.hub import get_config

assert m3i_mm.__file__.startswith(sys.argv[1]), m3i_mm.__file__
ways = dict(
    inherited='"m3i_mm::{name}"',
    expression='[__import__("m3i_mm").get_config_path("{name}")]',
)
configs = [get_config('m3i_mm::{name}')]
for way, base in ways.items():
    with open(way + '.py', 'w') as file:
        file.write('_base_ = ' + base)
    configs.append(Config.fromfile(way + '.py'))
for config in configs:
    assert config.default_hooks.checkpoint.type == 'm3i_mm.CheckpointHook'
print('found')
"""


@pytest.fixture(params=['wheel', 'editable', 'checkout'])
def installed(request, checkout, tmp_path):
    """Where the package lives, and the folder that makes it importable."""
    if request.param == 'checkout':
        return checkout, checkout
    site = install(build(request.param, checkout), tmp_path / 'site')
    return (site if request.param == 'wheel' else checkout), site


def test_configs_are_found(installed, tmp_path):
    home, site = installed
    # without the site packages of this environment, which may hold another
    # m3i_mm, until the one under test comes first
    found = run(
        *('-S', '-c', PROBE.format(name=CONFIG), home, site),
        sysconfig.get_paths()['purelib'],
        cwd=tmp_path,
        env={'PATH': ''},
    )
    assert found.endswith('found\n')


def test_checkout_links_mim():
    mim = REPOSITORY / 'm3i_mm' / '.mim'
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (mim / name).is_symlink()
        assert (mim / name).samefile(REPOSITORY / name)
