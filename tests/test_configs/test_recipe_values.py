"""Values of the official recipes that an audit found to differ once.

Each is written down as the official file says it (InternImage at 31c962d,
detectron2's ViTDet, MMSegmentation's MAE, SiameseIM), not read from ours.
"""

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmseg.models.backbones import MAE
from toy.downstream import ROOT, read_config

from m3i_mm.models.detectors import PublishedDINO
from m3i_mm.models.detectors.published_dino import PublishedDINOHead
from m3i_mm.runs.reading import read_config as read_with_options

pytestmark = pytest.mark.openmmlab

CLIP = 0.1  # norm of gradients
# of every official config: learning rate, weight decay, factor of a layer,
# clipping, as `optimizer`, `paramwise_cfg` and `optimizer_config` say them
RECIPES = {
    'coco/mask-rcnn_internimage-[tsb]_*': (1e-4, 0.05, 1.0, None),
    'coco/cascade-mask-rcnn_*-1x_coco': (1e-4, 0.05, 0.94, None),
    'coco/cascade-mask-rcnn_*-3x_coco': (2e-4, 0.05, 0.90, None),
    'coco/dino-4scale_internimage-[tl]_8xb2-12e_coco': (
        (1e-4, 1e-4, 0.90, CLIP)
    ),
    'coco/dino-4scale_*_o365-pre_*': (1e-4, 1e-4, 0.94, CLIP),
    'lvis/dino-4scale_*': (1e-4, 1e-4, 0.94, CLIP),
    'openimages/dino-4scale_*': (1e-4, 1e-4, 0.94, CLIP),
    'voc/dino-4scale_*': (5e-5, 1e-4, 0.94, CLIP),
    'crowdhuman/cascade-rcnn_*': (1e-4, 1e-4, 0.94, None),
    'ade20k/upernet_internimage-[tsb]_*': (6e-5, 0.05, 1.0, None),
    'ade20k/upernet_internimage-[lx]*': (2e-5, 0.05, 0.94, CLIP),
    'ade20k/upernet_internimage-[hg]_*': (2e-5, 0.05, 0.95, CLIP),
    'ade20k/mask2former_internimage-h_coco-stuff-pre_*': (
        (1e-5, 0.05, 0.95, CLIP)
    ),
    'cityscapes/upernet_internimage-[tsb]_*': (6e-5, 0.05, 1.0, None),
    'cityscapes/upernet_internimage-[lx]*': (2e-5, 0.05, 0.94, CLIP),
    'cityscapes/segformer_*': (2e-5, 0.05, 0.94, CLIP),
    'cityscapes/mask2former_*': (1e-5, 0.05, 0.95, CLIP),
    'mapillary/upernet_*': (2e-5, 0.05, 0.94, CLIP),
    'mapillary/segformer_*': (2e-5, 0.05, 0.94, CLIP),
    'mapillary/mask2former_*': (2e-5, 0.05, 0.95, CLIP),
    'coco_stuff/mask2former_*coco-stuff164k-896x896': (2e-5, 0.05, 0.95, None),
    'coco_stuff/mask2former_*coco-stuff10k-512x512': (1e-5, 0.05, 0.95, None),
    'nyu/mask2former_*': (2e-5, 0.05, 0.95, None),
    'pascal_context/mask2former_*': (2e-5, 0.05, 0.95, None),
}
VITDET = [
    'coco/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_coco.py',
    'lvis/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_lvis-v1.py',
]
VIT_UPERNET = 'ade20k/upernet_vit-base-p16-m3i-pre_8xb2-160k_ade20k-512x512.py'
DINO = 'coco/dino-4scale_{}_coco.py'
COMPOSITE = DINO.format('composite-internimage-h_o365-pre_64xb1-20k')


def find(pattern):
    """Names below configs/, without the old ones."""
    folder = ROOT / 'configs'
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.glob(f'{pattern}.py')
        if '_deprecation_' not in path.read_text()
    )


def settings(cfg):
    """Learning rate and weight decay of every parameter by its name."""
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    holder = type('Holder', (), dict(model=model, device='cpu'))()
    wrapper = Runner.build_optim_wrapper(holder, cfg.optim_wrapper)
    groups = {
        id(p): group for group in wrapper.param_groups for p in group['params']
    }
    return {
        name: (groups[id(p)]['lr'], groups[id(p)]['weight_decay'])
        for name, p in model.named_parameters()
    }


@pytest.mark.parametrize('pattern', RECIPES)
def test_optimizer_of_every_official_config(pattern):
    names = find(pattern)
    assert names
    for name in names:
        wrapper = read_config(name).optim_wrapper
        clip = wrapper.get('clip_grad')
        assert (
            wrapper.optimizer.lr,
            wrapper.optimizer.weight_decay,
            wrapper.paramwise_cfg.layer_decay_rate,
            clip and clip.max_norm,
        ) == RECIPES[pattern], name


@pytest.mark.parametrize('name', VITDET)
def test_vitdet_sees_squares_at_test_too(name):
    cfg = read_config(name)
    init_default_scope('mmdet')
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    image = torch.zeros(3, 683, 1024, dtype=torch.uint8)
    assert cfg.model.backbone.img_size == 1024
    inputs = preprocessor(dict(inputs=[image]), training=False)['inputs']
    assert inputs.shape == (1, 3, 1024, 1024)


@pytest.mark.parametrize(
    ('name', 'factor'),
    [
        (DINO.format('internimage-t_8xb2-12e'), 0.0382),
        (DINO.format('internimage-l_8xb2-12e'), 0.01825),
        (DINO.format('internimage-h_o365-pre_64xb1-20k'), 0.0426),
        (COMPOSITE, 0.0426),
        (DINO.format('internimage-g_o365-pre_64xb1-20k'), 0.0294),
    ],
)
def test_level_embedding_learns_as_the_stem(name, factor):
    cfg = read_config(name)
    lr = cfg.optim_wrapper.optimizer.lr
    found, _ = settings(cfg)['level_embed']
    assert found / lr == pytest.approx(factor, rel=2e-3)


def test_composite_backbone_as_released():
    """None of its names is known to the official rule."""
    cfg = read_with_options(
        COMPOSITE.removesuffix('.py'),
        {
            'optim_wrapper.paramwise_cfg.layer_decay_rate': 1.0,
            'optim_wrapper.paramwise_cfg.custom_keys.level_embed.lr_mult': (
                0.0426
            ),
        },
    )
    for name, (lr, _) in settings(cfg).items():
        factor = 1.0
        if 'sampling_offsets' in name:
            factor = 1e-3
        elif name == 'level_embed':
            factor = 0.0426
        assert lr == pytest.approx(1e-4 * factor), name


def test_one_rate_for_the_whole_backbone():
    cfg = read_config(DINO.format('internimage-l_8xb2-12e-backbone-lr0.1'))
    for name, found in settings(cfg).items():
        lr = 1e-5 if name.startswith('backbone') else 1e-4
        assert found == pytest.approx((lr, 0.05)), name


def test_every_dino_is_the_published_one():
    """Its queries and clamp are tested beside the class."""
    names = find('*/dino-4scale_*')
    assert len(names) > 15
    for name in names:
        model = read_config(name).model
        init_default_scope('mmdet')
        assert issubclass(MODELS.get(model.type), PublishedDINO), name
        assert MODELS.get(model.bbox_head.type) is PublishedDINOHead, name


@pytest.mark.parametrize(
    'name',
    [
        name
        for folder in ('coco', 'lvis')
        for name in find(f'{folder}/dino-4scale_*_o365-pre_*')
    ],
)
def test_boxes_of_several_sizes_are_merged(name):
    """65.0, 65.4 and 63.2 are with test-time augmentation."""
    cfg = read_config(name)
    sizes, flips = cfg.tta_pipeline[1].transforms[:2]
    assert [size.scale[1] for size in sizes] == [800, 1000, 1200]
    assert [flip.prob for flip in flips] == [0.0, 1.0]
    assert cfg.tta_model.type == 'DetTTAModel'
    assert cfg.tta_model.tta_cfg.nms.type == 'soft_nms'
    assert cfg.tta_model.tta_cfg.max_per_img == 300


def test_plain_vit_of_upernet_is_that_of_mae():
    """Bias table, layer scale of 1, maps of four depths."""
    cfg = read_config(VIT_UPERNET)
    init_default_scope('mmseg')
    backbone = cfg.model.backbone
    assert (backbone.arch, backbone.img_size) == ('base', 512)
    assert tuple(backbone.out_indices) == (3, 5, 7, 11)
    backbone.update(
        arch=dict(
            embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=128
        ),
        img_size=64,
        out_indices=(0, 1),
        init_cfg=None,
    )
    found = MODELS.build(backbone)
    found.init_weights()
    for layer in found.layers:
        assert (layer.gamma_1 == 1).all()
        assert (layer.gamma_2 == 1).all()
    wanted = MAE(
        img_size=(64, 64),
        embed_dims=32,
        num_layers=2,
        num_heads=2,
        out_indices=(0, 1),
        # as MMSegmentation's own config of it
        norm_cfg=dict(type='LN', eps=1e-6),
        init_values=1.0,
    )
    state = {
        key: value if value.dtype == torch.long else torch.randn_like(value)
        for key, value in found.state_dict().items()
    }
    for model in (found, wanted):
        model.load_state_dict(state, strict=True)
        model.double().eval()
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    for first, second in zip(found(image), wanted(image), strict=True):
        torch.testing.assert_close(first, second)


def test_plain_vit_of_upernet_sees_images_as_they_are():
    cfg = read_config(VIT_UPERNET)
    views = [
        step for group in cfg.tta_pipeline[1].transforms for step in group
    ]
    steps = [*cfg.val_dataloader.dataset.pipeline, *views]
    assert not [step for step in steps if step.type == 'ResizeToMultiple']
    assert cfg.model.test_cfg == dict(
        mode='slide', crop_size=(512, 512), stride=(341, 341)
    )


def test_the_best_of_all_evaluations_is_kept():
    for name in (name for pattern in RECIPES for name in find(pattern)):
        cfg = read_config(name)
        hook = cfg.default_hooks.checkpoint
        if cfg.default_scope == 'mmseg':
            assert hook.save_best == 'mIoU', name
        else:
            assert (hook.save_best, hook.rule) == ('auto', 'greater'), name
