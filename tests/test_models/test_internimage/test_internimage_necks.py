"""Necks of the InternImage classifiers, and the classifiers' sizes."""

import pytest
import torch

from m3i_mm.models import build_internimage_classifier
from m3i_mm.models.internimage import (
    AttentionPoolingNeck,
    ConvPoolingNeck,
    StageFusion,
)

pytestmark = pytest.mark.openmmlab


def test_stage_fusion_equals_loops():
    torch.manual_seed(0)
    neck = StageFusion((4, 6), out_channels=3)
    middle, deep = torch.randn(2, 4, 4, 6), torch.randn(2, 6, 2, 3)
    (fused,) = neck([torch.empty(0), middle, deep])
    x4 = neck.dcnv3_head_x4[0](deep)  # (B, 3 * 2 * 2, 2, 3)
    x3 = neck.dcnv3_head_x3(middle)
    for channel in range(3):
        for y in range(4):
            for x in range(6):
                unfolded = 4 * channel + 2 * (y % 2) + x % 2
                expected = (
                    x4[:, unfolded, y // 2, x // 2] + x3[:, channel, y, x]
                )
                torch.testing.assert_close(fused[:, channel, y, x], expected)


def test_stage_fusion_names_the_sizes_it_needs():
    neck = StageFusion((4, 6), out_channels=3)
    maps = [torch.randn(1, 4, 3, 4), torch.randn(1, 6, 2, 2)]
    with pytest.raises(ValueError, match='multiples of 32'):
        neck(maps)


def test_conv_pooling():
    torch.manual_seed(0)
    neck = ConvPoolingNeck(4, 6).eval()
    x = torch.randn(2, 4, 3, 5)
    weight = neck.conv_head[0].weight.flatten(1)
    normalised = torch.einsum('bchw,oc->bohw', x, weight) / (1 + 1e-5) ** 0.5
    expected = torch.nn.functional.gelu(normalised).mean((2, 3))
    torch.testing.assert_close(neck([None, x])[0], expected)


def test_attention_pooling_neck():
    torch.manual_seed(0)
    neck = AttentionPoolingNeck(8, out_channels=6, num_heads=2)
    neck.init_weights()
    assert neck.clip_projector.cross_dcn.q.weight.std().item() < 0.03
    (feature,) = neck([torch.randn(2, 8, 3, 4)])
    assert feature.shape == (2, 6)
    torch.testing.assert_close(feature.mean(1), torch.zeros(2))


@pytest.mark.parametrize(
    ('arch', 'of_1000', 'of_21841', 'tensors'),
    [
        ('tiny', 29_918_424, 45_945_153, 633),
        ('small', 50_079_880, 70_108_081, 751),
        ('base', 97_461_832, 125_492_977, 751),
        ('large', 223_334_810, 263_370_371, 839),
        ('xlarge', 334_819_780, 382_858_285, 883),
        ('huge', 1_089_636_760, 1_105_663_489, 1357),
        ('giant', 3_076_373_352, 3_092_400_081, 1295),
    ],
)
def test_classifiers_have_the_published_size(arch, of_1000, of_21841, tensors):
    for num_classes, expected in ((1000, of_1000), (21841, of_21841)):
        with torch.device('meta'):
            model = build_internimage_classifier(arch, num_classes)
        assert sum(p.numel() for p in model.parameters()) == expected
    assert len(model.state_dict()) == tensors


def test_classifier_trains_and_predicts():
    from mmpretrain.structures import DataSample

    arch = dict(
        channels=16,
        depths=(1, 1, 1, 1),
        groups=(1, 2, 4, 8),
        head='attention_pool',
    )
    model = build_internimage_classifier(arch, 5, drop_path_rate=0.1)
    model.init_weights()
    images = torch.randn(2, 3, 32, 32)
    samples = [DataSample().set_gt_label(i) for i in (1, 3)]
    model(images, samples, mode='loss')['loss'].backward()
    without = [n for n, p in model.named_parameters() if p.grad is None]
    assert not without
    model.eval()
    prediction = model(images, samples, mode='predict')[0]
    assert prediction.pred_score.shape == (5,)
