"""configs/internimage: what they build, and the numbers of the recipe."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from toy.internimage import shrink

import m3i_mm.engine
import m3i_mm.models  # noqa: F401
from m3i_mm.engine.schedulers import WarmupCosineLR

pytestmark = pytest.mark.openmmlab

FOLDER = Path(__file__).parents[2] / 'configs/internimage'
# name: parameters, drop path, images on a device, learning rate, epochs, size
RECIPES = {
    'internimage-t_32xb128-amp-coslr-300e_in1k': (
        29_918_424, 0.1, 128, 4e-3, 300, 224
    ),
    'internimage-s_32xb128-amp-coslr-300e_in1k': (
        50_079_880, 0.4, 128, 4e-3, 300, 224
    ),
    'internimage-b_32xb128-amp-coslr-300e_in1k': (
        97_461_832, 0.5, 128, 4e-3, 300, 224
    ),
    'internimage-l_in22k-pre_32xb16-amp-coslr-20e_in1k-384': (
        223_334_810, 0.1, 16, 2e-5, 20, 384
    ),
    'internimage-xl_in22k-pre_32xb16-amp-coslr-20e_in1k-384': (
        334_819_780, 0.2, 16, 2e-5, 20, 384
    ),
    'internimage-h_joint-in22k-pre_32xb16-amp-coslr-20e_in1k-640': (
        1_089_636_760, 0.2, 16, 2e-5, 20, 640
    ),
    'internimage-g_joint-in22k-pre_64xb8-amp-coslr-20e_in1k-512': (
        3_076_373_352, 0.4, 8, 2e-5, 20, 512
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def read(name):
    return Config.fromfile(FOLDER / f'{name}.py')


def build(cfg):
    return MODELS.build(
        dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
    )


def test_every_config_has_its_numbers_here():
    found = {
        path.stem
        for path in FOLDER.glob('*.py')
        if '_deprecation_' not in path.read_text()
        and 'layer-decay' not in path.stem
    }
    assert found == set(RECIPES)


DECAYED = {
    'internimage-l_in22k-pre_32xb16-amp-coslr-20e-layer-decay0.9_in1k-384',
    'internimage-h_joint-in22k-pre_32xb16-amp-coslr-20e-layer-decay0.9_'
    'in1k-384',
    'internimage-g_joint-in22k-pre_64xb8-amp-coslr-20e-layer-decay0.9_'
    'in1k-512',
}


def block_rate(name, depths):
    """The authors' rule: 0.9 for each block after the parameter's."""
    if name.startswith('patch_embed'):
        name = 'levels.0.blocks.0.'
    if not name.startswith('levels.'):
        return 1.0
    _, stage, kind, *rest = name.split('.')
    stage, block = int(stage), int(rest[0]) if kind == 'blocks' else 0
    if kind == 'post_norms' or (stage == 3 and kind == 'norm'):
        return 1.0
    if kind in ('downsample', 'norm'):
        stage += 1
    return 0.9 ** (sum(depths[stage:]) - 1 - block)


@pytest.mark.parametrize('name', sorted(DECAYED))
def test_rates_that_decay_by_block(name):
    cfg = read(name)
    with torch.device('meta'):
        model = build(cfg)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    groups = {
        id(p): group
        for group in wrapper.optimizer.param_groups
        for p in group['params']
    }
    depths = model.backbone.arch.depths
    for name, parameter in model.named_parameters():
        wanted = 2e-5 * block_rate(name.removeprefix('backbone.'), depths)
        if any(key in name for key in ('offset', 'center_feature_scale_proj')):
            wanted *= 0.1
        assert groups[id(parameter)]['lr'] == pytest.approx(wanted), name
        decay = 0.05 if parameter.ndim > 1 else 0
        assert groups[id(parameter)]['weight_decay'] == decay, name


@pytest.mark.parametrize('name', RECIPES)
def test_model_is_the_published_one(name):
    count, drop_path, *_ = RECIPES[name]
    cfg = read(name)
    with torch.device('meta'):
        model = build(cfg)
    assert sum(p.numel() for p in model.parameters()) == count
    last = model.backbone.levels[-1].blocks[-1].drop_path
    assert last.drop_prob == pytest.approx(drop_path)
    fine_tuned = '20e' in name
    smoothing = 0.3 if fine_tuned else 0.1
    assert cfg.model.head.loss.label_smooth_val == smoothing
    assert cfg.model.backbone.get('with_cp', False) == fine_tuned
    assert (cfg.model.get('train_cfg') is None) == fine_tuned


@pytest.mark.parametrize('name', RECIPES)
def test_optimiser_and_schedule(name):
    _, _, batch, lr, epochs, _ = RECIPES[name]
    cfg = read(name)
    assert cfg.train_dataloader.batch_size == batch
    devices = int(name.split('xb')[0].rsplit('_', 1)[1])
    assert cfg.auto_scale_lr.base_batch_size == devices * batch
    assert cfg.optim_wrapper.clip_grad.max_norm == 5.0
    (ema,) = cfg.custom_hooks
    assert (ema.momentum, ema.update_buffers) == (1e-4, True)

    with torch.device('meta'):
        model = build(cfg)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    for group in wrapper.optimizer.param_groups:
        (p,) = group['params']
        assert group['weight_decay'] == (0.05 if p.ndim > 1 else 0), p.shape
    assert cfg.optim_wrapper.optimizer.lr == lr

    (settings,) = cfg.param_scheduler
    settings = {k: v for k, v in settings.items() if k != 'type'}
    assert settings.pop('convert_to_iter_based')
    assert cfg.train_cfg.max_epochs == epochs
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr)
    scheduler = WarmupCosineLR.build_iter_from_epoch(
        optimizer, end=epochs, epoch_length=2, **settings
    )
    start, low = (4e-6, 4e-5) if epochs == 300 else (0.0, 0.0)
    warmup, total = (40, 600) if epochs == 300 else (4, 40)
    for t in range(total):
        cosine = low + (lr - low) * (1 + math.cos(math.pi * t / total)) / 2
        linear = start + (lr - start) * t / warmup
        expected = linear if t < warmup else cosine
        assert optimizer.param_groups[0]['lr'] == pytest.approx(expected)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize('name', RECIPES)
def test_pipelines(name):
    size = RECIPES[name][-1]
    cfg = read(name)
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    sample = dict(img=image, ori_shape=(90, 120), gt_label=3)
    steps = cfg.train_dataloader.dataset.pipeline
    kinds = [step.type for step in steps]
    assert 'RandAugment' in kinds
    assert ('RandomErasing' in kinds) == (size == 224)
    packed = Compose(steps[1:])(dict(sample))
    assert packed['inputs'].shape == (3, size, size)

    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        steps = loader.dataset.pipeline
        assert [step.type for step in steps[1:3]] == [
            'ResizeEdge',
            'CenterCrop',
        ]
        assert steps[1].scale == steps[2].crop_size == size  # crop ratio 1
        assert steps[1].interpolation == 'bicubic'
    packed = Compose(steps[1:])(dict(sample))
    assert packed['inputs'].shape == (3, size, size)


@pytest.mark.parametrize('name', [min(RECIPES), max(RECIPES)])
def test_a_training_step_and_a_prediction(name):
    torch.manual_seed(0)
    cfg = shrink(read(name))
    model = build(cfg)
    model.init_weights()
    cfg.optim_wrapper.dtype = 'bfloat16'
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = model.head.fc.weight.clone()
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(i) for i in (1, 7)]
    batch = dict(inputs=list(images), data_samples=samples)
    losses = model.train_step(batch, wrapper)
    assert math.isfinite(losses['loss'])
    assert not torch.equal(model.head.fc.weight, before)
    model.eval()
    prediction = model.val_step(batch)[0]
    assert prediction.pred_score.shape == (1000,)
