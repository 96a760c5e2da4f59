"""ViTDet reads the weights of MMPretrain's plain ViT."""

import pytest
import torch
from mmpretrain.models import VisionTransformer

from m3i_mm.models.backbones.vitdet import ViTDet

pytestmark = pytest.mark.openmmlab

ARCH = dict(embed_dims=16, num_layers=4, num_heads=2, feedforward_channels=32)
WINDOWED = dict(ARCH, global_attn_indexes=(0, 1, 2, 3))


def build_pair(**kwargs):
    plain = VisionTransformer(
        ARCH,
        img_size=64,
        out_type='featmap',
        out_indices=[1, 3],
        final_norm=False,
        **kwargs,
    )
    plain.init_weights()
    dense = ViTDet(
        WINDOWED, img_size=64, out_indices=[1, 3], use_rel_pos=False
    )
    plain.eval()
    dense.eval()
    return plain, dense


def test_same_maps_as_the_plain_vit_without_a_class_token():
    """With global attention everywhere both are the same network."""
    plain, dense = build_pair(with_cls_token=False)
    dense.load_state_dict(plain.state_dict(), strict=True)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for found, wanted in zip(dense(image), plain(image), strict=True):
            torch.testing.assert_close(found, wanted)


def test_class_token_and_size_are_left_behind():
    plain, _ = build_pair()
    dense = ViTDet(WINDOWED, img_size=96, window_size=2)
    before = plain.pos_embed[:, 1:].reshape(1, 4, 4, 16)
    report = dense.load_state_dict(plain.state_dict(), strict=False)
    assert all('rel_pos' in name for name in report.missing_keys)
    assert report.unexpected_keys == ['cls_token']
    wanted = torch.nn.functional.interpolate(
        before.permute(0, 3, 1, 2), (6, 6), mode='bicubic'
    )
    torch.testing.assert_close(dense.pos_embed.permute(0, 3, 1, 2), wanted)


def test_own_weights_load_unchanged():
    _, dense = build_pair()
    torch.nn.init.normal_(dense.pos_embed)
    other = ViTDet(
        WINDOWED, img_size=64, out_indices=[1, 3], use_rel_pos=False
    )
    other.load_state_dict(dense.state_dict(), strict=True)
    torch.testing.assert_close(other.pos_embed, dense.pos_embed)


@pytest.mark.parametrize(
    ('name', 'depth'),
    [
        ('backbone.pos_embed', 0),
        ('backbone.patch_embed.projection.weight', 0),
        ('backbone.layers.2.attn.qkv.weight', 3),
        ('neck.projections.0.0.weight', 5),
    ],
)
def test_layer_depth(name, depth):
    _, dense = build_pair()
    assert dense.get_layer_depth(name, 'backbone.') == (depth, 6)
