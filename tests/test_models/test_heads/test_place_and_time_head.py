"""The head of iNaturalist against the release, step by step."""

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import m3i_mm.models.heads  # noqa: F401

pytestmark = pytest.mark.openmmlab


def build():
    torch.manual_seed(0)
    head = MODELS.build(
        dict(
            type='m3i_mm.models.heads.PlaceAndTimeHead',
            num_classes=5,
            in_channels=6,
            embed_dims=4,
        )
    )
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head


def encode(state, prefix, x):
    """One encoder of the release, with the tensors by their names."""

    def linear(name, x):
        return x @ state[f'{name}.weight'].T + state[f'{name}.bias']

    def norm(name, x):
        weight, bias = state[f'{name}.weight'], state[f'{name}.bias']
        return F.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)

    x = norm(f'{prefix}.2', linear(f'{prefix}.0', x).clamp(min=0))
    y = norm(f'{prefix}.3.norm_fn1', linear(f'{prefix}.3.w1', x).clamp(min=0))
    y = norm(f'{prefix}.3.norm_fn2', linear(f'{prefix}.3.w2', y).clamp(min=0))
    return x + y


def reference(head, feature, time, place):
    state = head.state_dict()
    known = torch.cat(
        [
            encode(state, 'meta_head_1', time),
            encode(state, 'meta_head_2', place),
        ]
    )
    known = F.layer_norm(
        known,
        known.shape,
        state['meta_norm.weight'],
        state['meta_norm.bias'],
        1e-6,
    )
    of_place = state['meta_head.weight'] @ known + state['meta_head.bias']
    return state['fc.weight'] @ feature + state['fc.bias'] + of_place


def test_logits_value_by_value():
    head = build()
    features = torch.randn(3, 6)
    samples = [DataSample() for _ in range(3)]
    samples[0].set_field([0.5, -0.5, 0.0, 0.0], 'time')
    samples[0].set_field((0.1, 0.2, 0.3), 'place')
    samples[1].set_field((0.1, 0.2, 0.3), 'place')
    logits = head((features,), samples)
    zeros = torch.zeros(4)
    where = torch.tensor([0.1, 0.2, 0.3])
    for index, (time, place) in enumerate(
        (
            (torch.tensor([0.5, -0.5, 0, 0]), where),
            (zeros, where),
            (zeros, zeros[:3]),
        )
    ):
        wanted = reference(head, features[index], time, place)
        torch.testing.assert_close(logits[index], wanted)
    # of samples without either, and of none
    torch.testing.assert_close(head((features,))[2], logits[2])


def test_loss_and_prediction_ask_for_time_and_place():
    head = build()
    features = (torch.randn(2, 6),)
    samples = [DataSample().set_gt_label(i) for i in range(2)]
    before = head.loss(features, samples)['loss']
    for sample in samples:
        sample.set_field((1.0, 0.0, 0.0, 0.0), 'time')
    assert head.loss(features, samples)['loss'] != before
    predicted = head.predict(features, samples)
    wanted = head(features, samples).softmax(-1)
    for sample, scores in zip(predicted, wanted, strict=True):
        torch.testing.assert_close(sample.pred_score, scores)
