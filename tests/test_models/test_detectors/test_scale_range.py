"""Weights of objects by their size, value by value."""

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from toy.downstream import read_config, shrink

from m3i_mm.models.detectors.scale_range import ScaleRange

pytestmark = pytest.mark.openmmlab


@pytest.mark.parametrize(
    ('short_side', 'edge', 'inside'),
    [
        (800, 95, False),
        (800, 97, True),
        (801, 63, False),
        (1000, 65, True),
        (1001, 1, True),
        (1400, 5000, True),
        (1401, 97, False),
        (1600, 95, True),
        (1601, 65, False),
        (3000, 63, True),
    ],
)
@pytest.mark.parametrize('turned', [False, True])
def test_an_object_counts_in_its_range(short_side, edge, inside, turned):
    shape = (5000, short_side) if turned else (short_side, 5000)
    # twice as wide as high, of the area of a square of that edge
    height, width = edge / 2**0.5, edge * 2**0.5
    box = torch.tensor([[0.5, 0.5, width / shape[1], height / shape[0]]])
    weights = ScaleRange('v3', 0.1).weights(box, shape)
    assert weights.tolist() == pytest.approx([1.0 if inside else 0.1])


def head(**train_cfg):
    init_default_scope('mmdet')
    model = shrink(
        read_config('coco/dino-4scale_internimage-t_8xb2-12e_coco.py')
    ).model
    model.train_cfg.update(train_cfg)
    return MODELS.build(model).bbox_head


def test_the_head_weighs_the_queries_of_objects():
    torch.manual_seed(0)
    plain, weighed = head(), head(snip_cfg=dict(type='v3', weight=0.25))
    objects = InstanceData(
        # a side of 50, too small for an image of 600, and one of 200
        bboxes=torch.tensor([[0.0, 0, 50, 50], [100, 100, 300, 300]]),
        labels=torch.tensor([3, 5]),
    )
    meta = dict(img_shape=(600, 800))
    groups = dict(num_denoising_groups=2, num_denoising_queries=8)
    scores, boxes = torch.randn(6, 80), torch.rand(6, 4)
    found = []
    for module in (plain, weighed):
        single = module._get_targets_single(scores, boxes, objects, meta)
        noised = module._get_dn_targets_single(objects, meta, groups)
        found.append((single, noised))
    for before, after in zip(*found, strict=True):
        labels = before[0]
        assert torch.equal(labels, after[0])
        factors = torch.ones(len(labels))
        factors[labels == 3] = 0.25
        assert torch.equal(after[1], before[1] * factors)
        assert torch.equal(after[3], before[3] * factors[:, None])
        assert before[1].min() == 1


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(snip_cfg=dict(type='v9', weight=0.1)), "'v9' are unknown.*'v3'"),
        (dict(snip_cfg=dict(type='v3', weight=2)), r'weight=2 is not in'),
        (dict(fed_loss_cfg=dict(use_fed_loss=True)), 'FederatedFocalLoss'),
    ],
)
def test_what_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        head(**settings)
