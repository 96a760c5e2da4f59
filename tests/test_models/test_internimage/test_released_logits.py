"""Files with the released names give what the released heads compute.

The backbone has fixtures of the official code; here its maps go through the
model that read the file, and through slow references on the file's tensors.
"""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from mmseg.structures import SegDataSample
from toy import downstream
from toy import released as official
from toy import released_forward as reference
from toy.downstream import read_config, shrink

from m3i_mm.checkpoints.fitting import fit_weights
from m3i_mm.runs.building import build_model

pytestmark = pytest.mark.openmmlab

SIZES = dict(
    t=official.Size(16, (1, 1, 1, 1), (1, 2, 4, 8), post_norm=False),
    l=official.Size(16, (1, 1, 1, 1), (1, 2, 4, 8)),
    h=official.Size(
        16, (1, 1, 1, 1), (1, 2, 4, 8), False, True, 5, 1, True
    ),
)  # fmt: skip


def load(name, state):
    """The model of a shrunk config with a file, and maps of a picture."""
    cfg = shrink(read_config(name))
    model = build_model(cfg).double().eval()
    fit = fit_weights(model, dict(state_dict=state))
    fit.require('file.pth')
    fit.apply()
    picture = torch.randn(1, 3, 64, 96, dtype=torch.double)
    with torch.no_grad():
        return model, model.backbone(picture)


def file(build, size, **settings):
    """Tensors of moderate size, in float64; variances stay positive."""
    torch.manual_seed(0)
    state = build(SIZES[size], **settings)
    return {
        name: value
        if not value.is_floating_point()
        else (value.abs() + 0.5 if 'var' in name else 0.2 * value).double()
        for name, value in state.items()
    }


def close(found, wanted):
    # the libraries encode positions in float32
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert wanted.std() > 1e-3


def test_upernet():
    state = file(official.upernet, 't')
    name = 'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py'
    model, maps = load(name, state)
    close(model.decode_head(maps), reference.upernet(state, maps))


def test_segformer():
    state = file(official.segformer, 'l')
    name = 'mapillary/segformer_internimage-l_8xb2-80k_mapillary-512x1024.py'
    model, maps = load(name, state)
    close(model.decode_head(maps), reference.segformer(state, maps))


def check_pyramid(model, maps, state):
    levels = model.neck(maps)
    for found, wanted in zip(
        levels, reference.pyramid(state, maps), strict=True
    ):
        close(found, wanted)
    for *found, wanted in zip(
        *model.rpn_head(levels),
        reference.proposals(state, levels),
        strict=True,
    ):
        for one, other in zip(found, wanted, strict=True):
            close(one, other)


def load_two_stage(name, state, monkeypatch):
    """Its heads are as wide as in the files, which ``shrink`` narrows."""
    widths = {
        key: value
        for key, value in downstream.WIDTHS.items()
        if not key.endswith('out_channels')
    }
    monkeypatch.setattr(downstream, 'WIDTHS', widths)
    return load(name, state)


def test_mask_rcnn(monkeypatch):
    state = file(official.mask_rcnn, 't')
    name = 'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py'
    model, maps = load_two_stage(name, state, monkeypatch)
    check_pyramid(model, maps, state)
    regions = torch.randn(2, 256, 7, 7, dtype=torch.double)
    found = model.roi_head.bbox_head(regions)
    wanted = reference.boxes_of_regions(state, regions)
    for one, other in zip(found, wanted, strict=True):
        close(one, other)
    regions = torch.randn(2, 256, 14, 14, dtype=torch.double)
    close(
        model.roi_head.mask_head(regions),
        reference.masks_of_regions(state, regions),
    )


def test_cascade_mask_rcnn(monkeypatch):
    state = file(official.cascade, 'l')
    name = 'coco/cascade-mask-rcnn_internimage-l_fpn_8xb2-1x_coco.py'
    model, maps = load_two_stage(name, state, monkeypatch)
    check_pyramid(model, maps, state)
    for stage in range(3):
        regions = torch.randn(2, 256, 7, 7, dtype=torch.double)
        found = model.roi_head.bbox_head[stage](regions)
        head = f'roi_head.bbox_head.{stage}'
        wanted = reference.boxes_of_regions(state, regions, head, convs=4)
        for one, other in zip(found, wanted, strict=True):
            close(one, other)
        regions = torch.randn(2, 256, 14, 14, dtype=torch.double)
        head = f'roi_head.mask_head.{stage}'
        close(
            model.roi_head.mask_head[stage](regions),
            reference.masks_of_regions(state, regions, head),
        )


def test_dino():
    head = dict(layers=2, hidden=32, queries=10)
    state = file(official.dino, 'l', **head)
    name = 'coco/dino-4scale_internimage-l_8xb2-12e_coco.py'
    model, maps = load(name, state)
    found = predictions(model, maps)
    wanted = reference.dino(state, maps, layers=2)
    for one, other in zip(found, wanted, strict=True):
        close(one, other)


def predictions(model, maps):
    """Class logits and boxes of the last layer, by MMDetection."""
    sample = DetDataSample(
        metainfo=dict(batch_input_shape=(64, 96), img_shape=(64, 96))
    )
    sample.gt_instances = InstanceData()
    with torch.no_grad():
        inputs = model.forward_transformer(model.neck(maps), [sample])
        logits, boxes = model.bbox_head(**inputs)
    return logits[-1, 0], boxes[-1, 0]


def test_mask2former():
    state = file(
        official.mask2former,
        'h',
        classes=150,
        width=32,
        heads=2,
        hidden=(32, 32),
        queries=5,
        layers=(1, 1),
    )
    name = (
        'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
        'ade20k-896x896.py'
    )
    model, maps = load(name, state)
    sample = SegDataSample(metainfo=dict(img_shape=(64, 96)))
    with torch.no_grad():
        found = [outs[-1][0] for outs in model.decode_head(maps, [sample])]
    wanted = reference.mask2former(state, maps, (1, 1), heads=2, groups=4)
    for one, other in zip(found, wanted, strict=True):
        close(one, other)
