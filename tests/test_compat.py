"""What ``import m3i_mm`` says when OpenMMLab is missing or mixed."""

import re
from importlib.metadata import PackageNotFoundError

import pytest

from m3i_mm import compat

pytestmark = pytest.mark.openmmlab
ONEDL = {'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6'}
OPENMMLAB = {'mmengine': '0.10.7', 'mmcv-lite': '2.1.0'}


@pytest.fixture
def install(monkeypatch):
    """Pretend that exactly these distributions are installed."""

    def pretend(versions):
        def version(name):
            if name not in versions:
                raise PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(compat, 'version', version)

    return pretend


@pytest.mark.parametrize(
    ('versions', 'line'),
    [
        (ONEDL, 'onedl'),
        (OPENMMLAB, 'openmmlab'),
        ({'mmengine': '0.10.7', 'mmcv': '2.1.0'}, 'openmmlab'),
        ({**ONEDL, 'onedl-mmdetection': '3.5.1'}, 'onedl'),
        ({**ONEDL, 'onedl-mmengine': '0.10.13rc1'}, 'onedl'),
        ({**ONEDL, 'torch': '2.6.0+cu124'}, 'onedl'),
    ],
)
def test_supported(install, versions, line):
    install(versions)
    assert compat.check_dependencies() == line


@pytest.mark.parametrize(
    ('versions', 'message'),
    [
        (
            {},
            r"neither is installed.*--no-cache-dir 'm3i_mm\[onedl\]'",
        ),
        (
            {**ONEDL, 'mmdet': '3.3.0'},
            'Two lines of OpenMMLab.*mmdet, onedl-mmcv, onedl-mmengine.*'
            'Uninstall all of them',
        ),
        (
            {'onedl-mmengine': '0.10.12'},
            r"needs onedl-mmcv >=2.3.6.*not installed.*'onedl-mmengine'",
        ),
        (
            {'mmengine': '0.10.7'},
            r"needs mmcv or mmcv-lite .*not installed.*'m3i_mm\[openmmlab\]'",
        ),
        (
            {**ONEDL, 'onedl-mmcv': '2.3.2'},
            'needs onedl-mmcv >=2.3.6, but 2.3.2 is installed',
        ),
        (
            {**OPENMMLAB, 'mmcv-lite': '2.2.0'},
            'needs mmcv-lite .*<2.2, but 2.2.0 is installed',
        ),
        (
            {**OPENMMLAB, 'mmpretrain': '1.0.0'},
            'needs mmpretrain >=1.2.0.*but 1.0.0 is installed',
        ),
        (
            {**ONEDL, 'torch': '2.5.1+cpu'},
            r"needs torch >= 2.6, but 2.5.1\+cpu.*pip install 'torch>=2.6'",
        ),
    ],
)
def test_unsupported(install, versions, message):
    install(versions)
    with pytest.raises(ImportError, match=message) as error:
        compat.check_dependencies()
    assert re.search(r'Mend it with: (pip uni.* && )?pip i', str(error.value))


def test_a_full_mmcv_that_is_too_new_is_to_be_removed(install):
    # m3i_mm[openmmlab] asks for mmcv-lite, which would stay beside it
    versions = {k: v for k, v in OPENMMLAB.items() if k != 'mmcv-lite'}
    install({**versions, 'mmcv': '2.2.0'})
    with pytest.raises(ImportError, match='pip uninstall -y mmcv && pip in'):
        compat.check_dependencies()
