"""M3I with InternImage from and into the names of the authors."""

from __future__ import annotations

import pytest
import torch
from m3i_cases import m3i_config

from m3i_mm.checkpoints.reading import CheckpointError
from m3i_mm.models.internimage.released_m3i import (
    load_official_internimage,
    m3i_names,
)
from m3i_mm.models.internimage.released_names import official_names
from m3i_mm.registry import MODELS

ARCH = dict(
    channels=8,
    depths=[1, 1, 1, 1],
    groups=[1, 2, 4, 8],
    mlp_ratio=1.0,
    offset_scale=1.0,
)


def build(channels=8):
    cfg = m3i_config(patch_size=16)
    cfg['backbone'] = dict(
        type='InternImage',
        arch=dict(ARCH, channels=channels),
        out_indices=(2, 3),
    )
    cfg['neck'] = dict(
        type='StageFusion',
        in_channels=[4 * channels, 8 * channels],
        out_channels=16,
    )
    return MODELS.build(cfg)


def test_a_file_with_official_names_fills_encoder_and_pooling(tmp_path):
    source, target = build(), build()
    official = official_names(source.state_dict())
    parts = {name.split('.')[0] for name in official}
    assert parts == {
        'patch_embed', 'levels', 'dcnv3_head_x4', 'dcnv3_head_x3',
        'clip_projector',
    }  # fmt: skip
    path = str(tmp_path / 'official.pth')
    torch.save(dict(model=official), path)
    load_official_internimage(target, path, ('text', 'category'))
    wanted = source.state_dict()
    for name, tensor in target.state_dict().items():
        if name.startswith(('backbone.', 'neck.', 'decoders.text.')):
            assert torch.equal(tensor, wanted[name]), name
    torch.testing.assert_close(
        target.decoders['category'].pool.state_dict(),
        source.decoders['text'].pool.state_dict(),
    )


def test_names_there_and_back():
    state = build().state_dict()
    official = official_names(state)
    back = m3i_names(official)
    assert all(back[name] is not None and name in state for name in back)
    assert official_names(back).keys() == official.keys()


def test_another_size(tmp_path):
    path = str(tmp_path / 'other.pth')
    torch.save(dict(model=official_names(build(16).state_dict())), path)
    with pytest.raises(CheckpointError, match='does not fit the backbone'):
        load_official_internimage(build(), path)
