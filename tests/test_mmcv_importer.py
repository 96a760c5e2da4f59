"""How ``mmcv._ext`` is found."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from mmcv import ops
from mmcv.utils import collect_env

from m3i_mm import OPENMMLAB_LINE
from m3i_mm.mmcv_importer import (
    MMCVExtImporter,
    has_compiled_mmcv,
    install_importer,
)
from m3i_mm.ops.mmcv_ext import op_names

pytestmark = pytest.mark.openmmlab
REPOSITORY = Path(__file__).parents[1]


def run(code):
    """Run the code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, '-W', 'default', '-c', code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )


def test_import_of_the_package_costs_nothing():
    result = run(
        'import sys, m3i_mm\n'
        'for name in ("torch", "torchvision", "mmcv", "mmpretrain", "mmdet"):'
        '    assert name not in sys.modules, name\n'
        'assert "m3i_mm.ops" not in sys.modules'
    )
    assert 'mmcv._ext' not in result.stderr


def test_use_is_logged_once():
    result = run(
        'import torch, m3i_mm\n'
        'from mmcv import ops\n'
        'print("imported")\n'
        'for _ in range(2):\n'
        '    ops.nms(torch.zeros(1, 4), torch.ones(1), 0.5)\n'
        'ops.roi_pool(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), 2)\n'
    )
    before, after = (result.stdout + result.stderr).split('imported')
    assert 'compiled ops' not in before
    assert (before + after).count(
        'MMCV is installed without compiled ops'
    ) == 1


def test_compiled_extension_wins(tmp_path):
    (tmp_path / '_ext.py').write_text('def nms(*args):\n    return "own"\n')
    run(
        'import m3i_mm, mmcv\n'
        f'mmcv.__path__.append({str(tmp_path)!r})\n'
        'from m3i_mm.mmcv_importer import has_compiled_mmcv\n'
        'assert has_compiled_mmcv()\n'
        'import mmcv._ext\n'
        f'assert mmcv._ext.__file__.startswith({str(tmp_path)!r})\n'
        'assert mmcv._ext.nms() == "own"\n'
    )


@pytest.mark.parametrize('name', ['mmcv._ext2', 'mmcv._ext.nms', '_ext'])
def test_other_names_are_not_found(name):
    with pytest.raises(ModuleNotFoundError, match=name):
        import_module(name)


def test_stand_in_does_not_count_as_compiled():
    assert not has_compiled_mmcv()


def test_importer_is_installed_once():
    install_importer()
    found = [isinstance(f, MMCVExtImporter) for f in sys.meta_path]
    assert found.count(True) == 1


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
def test_library_imported_before_gets_a_message(library):
    # onedl's mmseg goes on with parts switched off, the others fail
    result = run(
        'try:\n'
        f'    import {library}.models\n'
        'except ModuleNotFoundError as error:\n'
        '    assert error.name == "mmcv._ext"\n'
        'import m3i_mm\n'
        f'import {library}.models\n'
    )
    assert f'{library}.models was imported before m3i_mm' in result.stderr
    assert 'Import m3i_mm, which supplies them, first' in result.stderr


def test_environment_report():
    report = collect_env()
    assert report['MMCV Compiler'] == 'n/a (m3i_mm.ops.mmcv_ext)'
    assert report['MMCV CUDA Compiler'] == 'n/a (m3i_mm.ops.mmcv_ext)'


def test_missing_op_says_how_to_install_it():
    assert 'box_iou_rotated' not in op_names()
    package = {'onedl': 'onedl-mmcv', 'openmmlab': 'mmcv==2.1.0'}
    with pytest.raises(
        NotImplementedError,
        match=f"'box_iou_rotated' .* pip install .*{package[OPENMMLAB_LINE]}",
    ):
        ops.box_iou_rotated(torch.zeros(1, 5), torch.zeros(1, 5))


def test_private_names_are_not_ops():
    with pytest.raises(AttributeError, match="'__wrapped__'"):
        import_module('mmcv._ext').__wrapped__
