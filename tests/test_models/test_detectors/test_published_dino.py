"""PublishedDINO encodes positions as the paper, on either line."""

import math

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from toy.downstream import read_config, shrink

pytestmark = pytest.mark.openmmlab


def encode(boxes, number):
    """The encoding of DINO, one value at a time."""
    values = []
    for coordinate in (1, 0, 2, 3):  # y, x, w, h
        for index in range(number):
            wave = 10000 ** (2 * (index // 2) / number)
            angle = boxes[..., coordinate] * 2 * math.pi / wave
            values.append(angle.cos() if index % 2 else angle.sin())
    return torch.stack(values, dim=-1)


@pytest.fixture(scope='module')
def detector():
    init_default_scope('mmdet')
    name = 'coco/dino-4scale_internimage-t_8xb2-12e_coco.py'
    return MODELS.build(shrink(read_config(name)).model)


@pytest.fixture(scope='module')
def decoder(detector):
    return detector.decoder


def test_content_queries_start_from_a_normal_distribution(detector):
    torch.manual_seed(0)
    detector.init_weights()
    queries = detector.query_embedding.weight.detach()  # (10, 256)
    assert queries.mean().abs() < 0.05
    assert queries.std() == pytest.approx(1, abs=0.05)


def test_head_adds_offsets_to_clamped_logits(detector):
    """Value by value; the two sides of the quotient are clamped apart."""
    torch.manual_seed(0)
    head = detector.bbox_head
    states = torch.randn(2, 1, 4, 256)
    reference = torch.tensor([0.0, 1.0, 0.5, 2e-4]).expand(1, 4, 4)
    logits, boxes = head(states, [reference] * 3)
    assert logits.shape == (2, 1, 4, 80)
    for layer in range(2):
        offsets = head.reg_branches[layer](states[layer])
        sides = ((1e-3, 1), (1, 1e-3), (0.5, 0.5), (1e-3, 1 - 2e-4))
        for index, (low, high) in enumerate(sides):
            start = math.log(low / high)
            wanted = (offsets[..., index] + start).sigmoid()
            torch.testing.assert_close(boxes[layer][..., index], wanted)


def test_parameters_are_the_published_ones(decoder):
    first = decoder.ref_point_head.layers[0]
    assert first.weight.shape == (256, 512)


@pytest.mark.parametrize('number', [128, 256])
def test_same_query_from_either_encoding(decoder, number):
    boxes = torch.rand(2, 5, 4, dtype=torch.float64)
    first, second = decoder.ref_point_head.layers
    head = decoder.ref_point_head.double()
    hidden = (encode(boxes, 128) @ first.weight.T + first.bias).relu()
    wanted = hidden @ second.weight.T + second.bias
    torch.testing.assert_close(head(encode(boxes, number)), wanted)


def test_the_library_hands_over_an_encoding_that_is_understood(
    decoder, monkeypatch
):
    """The whole decoder gives the head the positions of its queries."""
    seen = []
    head = decoder.ref_point_head.float()
    monkeypatch.setattr(
        type(head).__mro__[1],
        'forward',
        lambda self, x: seen.append(x) or torch.zeros(*x.shape[:2], 256),
    )
    boxes = torch.rand(1, 3, 4)
    decoder(
        query=torch.zeros(1, 3, 256),
        value=torch.zeros(1, 340, 256),
        key_padding_mask=torch.zeros(1, 340, dtype=torch.bool),
        self_attn_mask=None,
        reference_points=boxes,
        spatial_shapes=torch.tensor([[16, 16], [8, 8], [4, 4], [2, 2]]),
        level_start_index=torch.tensor([0, 256, 320, 336]),
        valid_ratios=torch.ones(1, 4, 2),
        reg_branches=torch.nn.ModuleList(
            torch.nn.Linear(256, 4) for _ in range(2)
        ),
    )
    torch.testing.assert_close(seen[0], encode(boxes, 128))
