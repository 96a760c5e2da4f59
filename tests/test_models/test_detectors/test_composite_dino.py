"""CompositeDINO: the assistant's losses are the lead's, weighted."""

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from toy.downstream import read_config, shrink

pytestmark = pytest.mark.openmmlab

CONFIG = 'coco/dino-4scale_composite-internimage-h_o365-pre_64xb1-20k_coco.py'


@pytest.fixture
def detector():
    init_default_scope('mmdet')
    torch.manual_seed(0)
    cfg = shrink(read_config(CONFIG)).model
    cfg.backbone.drop_path_rate = 0.0
    model = MODELS.build(cfg)
    model.init_weights()
    return model


def batch():
    from mmdet.structures import DetDataSample

    sample = DetDataSample(
        metainfo=dict(
            img_shape=(60, 64),
            ori_shape=(60, 64),
            batch_input_shape=(64, 64),
            scale_factor=(1.0, 1.0),
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[4.0, 4.0, 40.0, 50.0]]), labels=torch.tensor([3])
    )
    return torch.randn(1, 3, 64, 64), [sample]


def losses(detector, images, samples):
    torch.manual_seed(1)
    return detector.loss(images, samples)


def test_assistant_is_weighted_and_lead_is_not(detector):
    images, samples = batch()
    half = losses(detector, images, samples)
    detector.assistant_weight = 1.0
    full = losses(detector, images, samples)
    for name, value in full.items():
        weight = 0.5 if name.startswith('assistant.') else 1.0
        torch.testing.assert_close(half[name], weight * value)
    lead = {name for name in full if not name.startswith('assistant.')}
    assert {f'assistant.{name}' for name in lead} == set(full) - lead


def test_equal_branches_have_equal_losses(detector):
    """With the lead's weights in the assistant and nothing fused."""
    state = detector.backbone.lead.state_dict()
    detector.backbone.assistant.levels.load_state_dict(
        {k.removeprefix('levels.'): v for k, v in state.items()}
    )
    detector.assistant_weight = 1.0
    found = losses(detector, *batch())
    for name in ('loss_cls', 'loss_bbox', 'enc_loss_iou'):
        torch.testing.assert_close(found[name], found[f'assistant.{name}'])


def test_prediction_uses_the_lead_only(detector):
    detector.eval()
    images, samples = batch()
    with torch.no_grad():
        features = detector.extract_feat(images)
        lead = detector.neck(detector.backbone.forward_branches(images)[1])
    for found, wanted in zip(features, lead, strict=True):
        torch.testing.assert_close(found, wanted)
    (sample,) = detector.predict(images, samples)
    assert len(sample.pred_instances) == 5


def test_backbone_gradients_flow_through_both_branches(detector):
    total = losses(detector, *batch())
    sum(v for k, v in total.items() if 'loss' in k).backward()
    for part in (detector.backbone.assistant, detector.backbone.lead):
        assert all(p.grad is not None for p in part.parameters())
