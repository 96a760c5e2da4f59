"""M3I with InternImage from and into the names of the authors."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from m3i_mm.checkpoints import CheckpointError, load_weights
from m3i_mm.models.internimage.conversion import convert_internimage
from m3i_mm.models.internimage.released_m3i import m3i_names
from m3i_mm.models.internimage.released_names import official_names
from m3i_mm.registry import MODELS

pytestmark = pytest.mark.openmmlab
CONFIG = Path(__file__).parents[2] / 'toy' / 'm3i.py'
ARCH = dict(
    channels=8,
    depths=[1, 1, 1, 1],
    groups=[1, 2, 4, 8],
    mlp_ratio=1.0,
    offset_scale=1.0,
)
# the released files have no momentum network and no other targets
NOT_RELEASED = [
    'momentum_encoder',
    'objectives',
    'decoders.image',
    'decoders.category',
]


def build(channels=8):
    cfg = Config.fromfile(CONFIG).model
    cfg.backbone = dict(
        type='m3i_mm.InternImage',
        arch=dict(ARCH, channels=channels),
        out_indices=(2, 3),
    )
    cfg.neck = dict(
        type='StageFusion',
        in_channels=[4 * channels, 8 * channels],
        out_channels=16,
    )
    cfg.input = dict(type='SingleView')
    cfg.decoders['text'] = cfg.objectives['text'].decoder
    for name in ('intra', 'inter'):
        del cfg.objectives[name]
    cfg.objectives['text'].decoder = 'text'
    return MODELS.build(cfg)


@pytest.fixture
def official(tmp_path):
    def write(model):
        path = str(tmp_path / 'official.pth')
        torch.save(dict(model=official_names(model.state_dict())), path)
        return path

    return write


def test_a_file_with_official_names_fills_encoder_and_pooling(
    tmp_path, official
):
    source, target = build(), build()
    names = official_names(source.state_dict())
    assert {name.split('.')[0] for name in names} == {
        'patch_embed', 'levels', 'dcnv3_head_x4', 'dcnv3_head_x3',
        'clip_projector',
    }  # fmt: skip
    path = str(tmp_path / 'm3i.pth')
    convert_internimage(official(source), path, 'm3i')
    load_weights(target, path, new_weights=NOT_RELEASED)
    wanted = source.state_dict()
    for name, tensor in target.state_dict().items():
        if name.startswith(('backbone.', 'neck.', 'decoders.text.')):
            assert torch.equal(tensor, wanted[name]), name


def test_names_there_and_back():
    state = build().state_dict()
    names = official_names(state)
    back = m3i_names(names)
    assert all(back[name] is not None and name in state for name in back)
    assert official_names(back).keys() == names.keys()


def test_another_size(tmp_path, official):
    path = str(tmp_path / 'm3i.pth')
    convert_internimage(official(build(16)), path, 'm3i')
    with pytest.raises(CheckpointError, match='does not fit the InternImage'):
        load_weights(build(), path, new_weights=NOT_RELEASED)
