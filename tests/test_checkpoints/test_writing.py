"""Files are replaced as a whole or left alone."""

import errno
import os

import mmengine
import pytest
import torch
from mmengine.runner import save_checkpoint

from m3i_mm.checkpoints import CheckpointError, install, writing

pytestmark = pytest.mark.openmmlab


class CutError(BaseException):
    """A process that ends here."""


@pytest.fixture(autouse=True)
def _installed():
    mmengine.fileio.get_file_backend('some/file')  # an instance of before
    install()


def test_a_cut_write_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / 'new folder' / 'epoch_1.pth'
    save_checkpoint(dict(weight=torch.ones(2)), str(path))
    before = path.read_bytes()

    class Cut:
        def __init__(self, path, *args, **kwargs):
            self.file = open(path, 'wb')  # noqa: SIM115

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, content):
            self.file.write(bytes(content)[: len(content) // 2])
            raise CutError

    monkeypatch.setattr(writing, 'open', Cut, raising=False)
    with pytest.raises(CutError):
        save_checkpoint(dict(weight=torch.zeros(2)), str(path))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ['epoch_1.pth']


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def replace(source, target):
        raise OSError(errno.ENOSPC, 'No space left on device')

    (tmp_path / 'file').write_text('old')
    monkeypatch.setattr(os, 'replace', replace)
    with pytest.raises(CheckpointError, match='file cannot be written: No sp'):
        mmengine.put_text('new', tmp_path / 'file')
    assert (tmp_path / 'file').read_text() == 'old'
    assert os.listdir(tmp_path) == ['file']
