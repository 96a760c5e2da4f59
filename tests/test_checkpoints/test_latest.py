"""From which checkpoint of a work folder a run continues."""

import os
import re

import pytest
import torch

from m3i_mm.checkpoints import CheckpointError, find_latest

pytestmark = pytest.mark.openmmlab


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints, the last one named by its former folder."""
    for number in (2, 10):
        content = dict(state_dict=dict(weight=torch.ones(1000)))
        torch.save(content, tmp_path / f'epoch_{number}.pth')
    pointer = tmp_path / 'last_checkpoint'
    pointer.write_text('/former/place/epoch_10.pth')
    # a copy may have any times
    os.utime(tmp_path / 'epoch_10.pth', (1, 1))
    return tmp_path


def test_an_empty_folder_has_none(tmp_path):
    assert find_latest(str(tmp_path)) is None
    assert find_latest(str(tmp_path / 'none')) is None


def test_a_moved_folder(folder):
    assert find_latest(str(folder)) == str(folder / 'epoch_10.pth')


@pytest.mark.parametrize('pointer', ['', None])
def test_without_a_pointer_the_newest_is_taken(folder, pointer):
    if pointer is None:
        (folder / 'last_checkpoint').unlink()
    else:
        (folder / 'last_checkpoint').write_text(pointer)
    assert find_latest(str(folder)) == str(folder / 'epoch_10.pth')


DAMAGES = dict(
    foreign=lambda content: b'no checkpoint',
    empty=lambda content: b'',
    cut=lambda content: content[: len(content) // 2],
    head=lambda content: content[:100],
    flipped=lambda content: content[:2000] + b'\x7f' + content[2001:],
)


@pytest.mark.parametrize('pointer', [True, False])
@pytest.mark.parametrize('damage', [*DAMAGES, 'missing'])
def test_the_one_before_a_damaged_one_is_offered(folder, damage, pointer):
    last = folder / 'epoch_10.pth'
    if not pointer:
        (folder / 'last_checkpoint').unlink()
    if damage == 'missing':
        if not pointer:
            pytest.skip('then epoch 2 is the last')
        last.unlink()
    else:
        last.write_bytes(DAMAGES[damage](last.read_bytes()))
    with pytest.raises(CheckpointError) as error:
        find_latest(str(folder))
    message = str(error.value)
    assert 'epoch_10.pth' in message
    if damage != 'missing':
        assert re.search(rf'--resume {folder}/epoch_2\.pth$', message)
    assert '\n' not in message


def test_nothing_else_is_there(tmp_path):
    (tmp_path / 'epoch_1.pth').touch()
    with pytest.raises(CheckpointError, match='empty. There is no other'):
        find_latest(str(tmp_path))
