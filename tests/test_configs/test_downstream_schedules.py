"""Learning rates of the configs against the formulas of the release.

MMCV 1 multiplies a linear warm-up w(t) = 1 - (1 - t / T) (1 - r) onto the rate
of the schedule at t. The layer-wise factors are those of InternImage's
``CustomLayerDecayOptimizerConstructor``, written out for each kind of name.
"""

import pytest
import torch
from mmengine.registry import MODELS, PARAM_SCHEDULERS, init_default_scope
from mmengine.runner import Runner
from toy.downstream import read_config

MASK_RCNN = 'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py'
CASCADE = 'coco/cascade-mask-rcnn_internimage-l_fpn_32xb2-3x_coco.py'
CASCADE_XL = 'coco/cascade-mask-rcnn_internimage-xl_fpn_8xb2-1x_coco.py'
UPERNET_T = 'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py'
UPERNET = 'ade20k/upernet_internimage-xl_8xb2-160k_ade20k-640x640.py'
DINO_H = 'coco/dino-4scale_internimage-h_o365-pre_64xb1-20k_coco.py'
DINO_T = 'coco/dino-4scale_internimage-t_8xb2-12e_coco.py'
CROWDHUMAN = (
    'crowdhuman/cascade-rcnn_internimage-xl_fpn_64xb2-3x_crowdhuman.py'
)
UPERNET_G = 'ade20k/upernet_internimage-g_16xb1-160k_ade20k-896x896.py'
SEGFORMER = 'mapillary/segformer_internimage-l_8xb2-80k_mapillary-512x1024.py'
NYU = 'nyu/mask2former_internimage-h_16xb1-40k_nyu-v2-480x480.py'
MASK2FORMER = (
    'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
    'ade20k-896x896.py'
)


def warm_up(step, steps, ratio):
    return 1 - (1 - min(step / steps, 1)) * (1 - ratio)


def stepped(step, epoch_length, epochs):
    drops = sum(step // epoch_length >= epoch for epoch in epochs)
    return warm_up(step, 500, 0.001) * 0.1**drops


def decayed(step, iterations):
    return warm_up(step, 1500, 1e-6) * (1 - step / iterations)


def rates(cfg, lr, steps, epoch_length):
    """Learning rate before each step, as the scheduler hook drives it."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedulers = [
        PARAM_SCHEDULERS.build(entry, default_args=dict(optimizer=optimizer))
        for entry in cfg.param_scheduler
    ]
    found = []
    for step in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        for scheduler in schedulers:
            if not scheduler.by_epoch or (step + 1) % epoch_length == 0:
                scheduler.step()
    return found


@pytest.mark.parametrize(
    ('name', 'lr', 'formula'),
    [
        (MASK_RCNN, 1e-4, lambda t: stepped(t, 60, (8, 11))),
        (CASCADE, 2e-4, lambda t: stepped(t, 60, (27, 33))),
        (DINO_H, 1e-4, lambda t: warm_up(t, 500, 0.001)),
        (UPERNET, 2e-5, lambda t: decayed(t, 160000)),
        (MASK2FORMER, 1e-5, lambda t: decayed(t, 80000)),
        (NYU, 2e-5, lambda t: decayed(t, 40000)),
        (SEGFORMER, 2e-5, lambda t: decayed(t, 80000)),
    ],
)
def test_schedule(name, lr, formula):
    """An epoch of 60 steps, so that all drops of rate are seen."""
    cfg = read_config(name)
    init_default_scope(cfg.default_scope)
    assert cfg.optim_wrapper.optimizer.lr == lr
    found = rates(cfg, lr, steps=2160, epoch_length=60)
    wanted = [lr * formula(step) for step in range(2160)]
    assert found == pytest.approx(wanted, rel=1e-6)


def layer_id(name, depths):
    """Ids of the release for the names below ``backbone.``."""
    part, *path = name.split('.')
    if part == 'patch_embed':
        return 0
    stage, kind = int(path[0]), path[1]
    if kind in ('blocks', 'post_norms'):
        return int(path[2]) + 1 + sum(depths[:stage])
    return 1 + sum(depths[: stage + 1]) if stage < 3 else 1 + sum(depths[:3])


DEPTHS = dict(
    t=(4, 4, 18, 4),
    s=(4, 4, 21, 4),
    b=(4, 4, 21, 4),
    l=(5, 5, 22, 5),
    xl=(5, 5, 24, 5),
    h=(6, 6, 32, 6),
    g=(2, 2, 48, 4),
)


@pytest.mark.parametrize(
    ('name', 'rate', 'size', 'offset_scale'),
    [
        (MASK_RCNN, 1.0, 't', 1.0),
        (MASK_RCNN.replace('-t_', '-s_'), 1.0, 's', 1.0),
        (MASK_RCNN.replace('-t_', '-b_'), 1.0, 'b', 1.0),
        (CASCADE, 0.90, 'l', 1.0),
        (CASCADE.replace('-l_', '-xl_'), 0.90, 'xl', 1.0),
        (CASCADE.replace('32xb2-3x', '8xb2-1x'), 0.94, 'l', 1.0),
        (CASCADE_XL, 0.94, 'xl', 1.0),
        (CROWDHUMAN, 0.94, 'xl', 1.0),
        (DINO_T, 0.90, 't', 1.0),
        (DINO_T.replace('-t_', '-l_'), 0.90, 'l', 1.0),
        (DINO_H, 0.94, 'h', 1e-3),
        (DINO_H.replace('-h_', '-g_'), 0.94, 'g', 1e-3),
        (UPERNET, 0.94, 'xl', 1.0),
        (UPERNET.replace('-xl_', '-l_'), 0.94, 'l', 1.0),
        (UPERNET_T, 1.0, 't', 1.0),
        (UPERNET_T.replace('-t_', '-s_'), 1.0, 's', 1.0),
        (UPERNET_T.replace('-t_', '-b_'), 1.0, 'b', 1.0),
        (UPERNET_G.replace('-g_', '-h_'), 0.95, 'h', 1.0),
        (UPERNET_G, 0.95, 'g', 1.0),
        (SEGFORMER, 0.94, 'l', 1.0),
        (SEGFORMER.replace('-l_', '-xl_'), 0.94, 'xl', 1.0),
        (MASK2FORMER, 0.95, 'h', 1.0),
        (NYU, 0.95, 'h', 1.0),
    ],
)
def test_rate_and_decay_of_every_parameter(name, rate, size, offset_scale):
    cfg = read_config(name)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    holder = type('Holder', (), dict(model=model, device='cpu'))()
    wrapper = Runner.build_optim_wrapper(holder, cfg.optim_wrapper)
    groups = {
        id(p): group for group in wrapper.param_groups for p in group['params']
    }
    depths = DEPTHS[size]
    base, last = cfg.optim_wrapper.optimizer, sum(depths) + 1
    for name, parameter in model.named_parameters():
        position, scale = last, 1.0
        if name.startswith('backbone.'):
            position = layer_id(name.removeprefix('backbone.'), depths)
        elif name == 'level_embed':  # the release says level_embeds
            position = 0
        if 'sampling_offsets' in name:
            scale = offset_scale
        group = groups[id(parameter)]
        wanted = base.lr * rate ** (last - position) * scale
        assert group['lr'] == pytest.approx(wanted), name
        plain = parameter.ndim > 1 and not name.endswith('.bias')
        for part in ('relative_position', 'norm', 'sampling_offsets'):
            plain = plain and part not in name
        assert group['weight_decay'] == base.weight_decay * plain, name


@pytest.mark.parametrize(
    ('name', 'lr'),
    [
        (
            'coco/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_coco.py',
            1e-4,
        ),
        (
            'lvis/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_lvis-v1.py',
            2e-4,
        ),
    ],
)
def test_rates_of_vitdet(name, lr):
    """0.7 for each block from the last; positions are not decayed."""
    cfg = read_config(name)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    holder = type('Holder', (), dict(model=model, device='cpu'))()
    wrapper = Runner.build_optim_wrapper(holder, cfg.optim_wrapper)
    groups = {
        id(p): group for group in wrapper.param_groups for p in group['params']
    }
    found = {name: groups[id(p)] for name, p in model.named_parameters()}
    last_block = found['backbone.layers.11.attn.qkv.weight']
    assert last_block['lr'] == pytest.approx(lr * 0.7)
    assert last_block['weight_decay'] == 0.1
    positions = found['backbone.pos_embed']
    assert positions['lr'] == pytest.approx(lr * 0.7**13)
    assert positions['weight_decay'] == 0
    assert found['rpn_head.rpn_cls.weight']['lr'] == lr
