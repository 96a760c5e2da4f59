"""Every ImageNet config is built, and run once at a reduced size."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from toy.imagenet import reduced, set_everywhere

from m3i_mm.checkpoints import publish
from m3i_mm.checkpoints.publishing import FORMATS
from m3i_mm.registry import MODELS
from m3i_mm.runs import building
from m3i_mm.runs.cli import main_test

pytestmark = pytest.mark.openmmlab

CLASSES = 4
NAMES = [
    'vit-base-p16-m3i-pre_8xb128-coslr-100e_in1k',
    'vit-base-p16-m3i-pre_8xb2048-linear-coslr-90e_in1k',
    'vit-base-p16-m3i-pre_1percent_in1k',
    'vit-base-p16-m3i-pre_knn_in1k',
    'm3i_vit-base-p16_zero-shot_in1k',
]


@pytest.fixture(scope='module')
def imagenet(tmp_path_factory):
    """A folder laid out like ImageNet: flat colours, one for each class."""
    root = tmp_path_factory.mktemp('imagenet')
    (root / 'meta').mkdir()
    for split, name, count in (
        ('train', 'train', 8),
        ('train', 'train_1percent', 8),
        ('val', 'val', 2),
    ):
        lines = []
        for label in range(CLASSES):
            folder = root / split / f'n{label:08d}'
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(count):
                color = np.zeros((40, 40, 3), np.uint8)
                color[..., label % 3] = 250 - 100 * (label // 3)
                Image.fromarray(color).save(folder / f'{index}.png')
                lines.append(f'{folder.name}/{index}.png {label}')
        (root / 'meta' / f'{name}.txt').write_text('\n'.join(lines))
    return str(root)


@pytest.mark.parametrize('name', NAMES)
def test_full_size_is_built(name):
    cfg = Config.fromfile(f'configs/imagenet/{name}.py')
    set_everywhere(cfg._cfg_dict, 'init_cfg', None)
    cfg.model.setdefault('data_preprocessor', dict(cfg.data_preprocessor))
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    size = sum(p.numel() for p in model.backbone.parameters())
    assert 85e6 < size < 87e6


@pytest.mark.parametrize('name', NAMES[:2])
def test_training_takes_an_epoch(name, imagenet, tmp_path):
    cfg = reduced(name, imagenet, tmp_path)
    cfg.train_dataloader.dataset.pipeline[1].scale = 32
    cfg.train_cfg.max_epochs = 1
    cfg.train_cfg.val_interval = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    scalars = runner.message_hub.log_scalars
    assert np.isfinite(scalars['train/loss'].data[0]).all()
    assert 'val/accuracy/top5' in scalars
    trained = [p.requires_grad for p in runner.model.backbone.parameters()]
    assert not any(trained) if 'linear' in name else all(trained[1:])


@pytest.mark.parametrize('format', FORMATS)
@pytest.mark.parametrize('part', ['student', 'momentum'])
def test_what_is_published_is_tested(part, format, imagenet, tmp_path):
    cfg = reduced(NAMES[3], imagenet, tmp_path)
    cfg.dump(tmp_path / 'knn.py')
    backbone = building.build_model(cfg).backbone.state_dict()
    training = {f'backbone.{k}': v for k, v in backbone.items()}
    training |= {f'momentum_encoder.{k}': v for k, v in training.items()}
    training['decoders.image.weight'] = torch.ones(3)
    torch.save(dict(state_dict=training), tmp_path / 'epoch_1.pth')
    file = publish(
        str(tmp_path / 'epoch_1.pth'), str(tmp_path / 'vit'), part, format
    )
    out = tmp_path / 'metrics.json'
    main_test([str(tmp_path / 'knn.py'), file, '--out', str(out)])
    assert json.loads(out.read_text())['knn/gt_label_top5'] == 100


@pytest.mark.parametrize('name', NAMES[2:4])
def test_frozen_features_are_tested(name, imagenet, tmp_path):
    cfg = reduced(name, imagenet, tmp_path)
    metrics = Runner.from_cfg(cfg).test()
    prefix = 'linear' if '1percent' in name else 'knn'
    assert metrics[f'{prefix}/gt_label_top1'] > 75
    assert metrics[f'{prefix}/gt_label_top5'] == 100


def test_zero_shot_is_tested(imagenet, tmp_path):
    cfg = reduced(NAMES[4], imagenet, tmp_path)
    cfg.test_evaluator.update(
        class_names=['tench', 'goldfish', 'shark', 'ray'],
        templates='simple_imagenet',
        topk=(1, 4),
    )
    cfg.model.decoders.image.update(
        in_dims=32, out_dims=32, embed_dims=32, depth=1, num_heads=2
    )
    for objective in (
        cfg.model.objectives.category,
        cfg.model.objectives.text,
    ):
        objective.decoder.update(in_dims=32, out_dims=32, num_heads=2)
    cfg.model.objectives.category.target.embed_dims = 32
    cfg.model.objectives.text.target.text_encoder.update(
        out_dims=32, embed_dims=32, depth=1, num_heads=2
    )
    metrics = Runner.from_cfg(cfg).test()
    assert metrics['zero_shot/gt_label_top4'] == 100
    assert set(metrics) == {
        'zero_shot/gt_label_top1',
        'zero_shot/gt_label_top4',
    }


def test_learning_rates_of_fine_tuning(imagenet, tmp_path):
    cfg = reduced(NAMES[0], imagenet, tmp_path)
    runner = Runner.from_cfg(cfg)
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    rates = {
        group['param_name']: group['lr']
        for group in wrapper.optimizer.param_groups
    }
    # two layers: head, layers 1 and 0, patch embedding
    assert rates['head.fc.weight'] == pytest.approx(1e-3)
    assert rates['backbone.layers.1.ln1.weight'] == pytest.approx(1e-3 * 0.65)
    assert rates['backbone.layers.0.ln1.weight'] == pytest.approx(
        1e-3 * 0.65**2
    )
    assert rates['backbone.patch_embed.projection.weight'] == pytest.approx(
        1e-3 * 0.65**3
    )


def test_the_published_settings():
    cfg = Config.fromfile(f'configs/imagenet/{NAMES[0]}.py')
    assert cfg.train_dataloader.batch_size * 8 == 1024
    assert cfg.optim_wrapper.optimizer.lr == 1e-3
    assert cfg.optim_wrapper.optimizer.weight_decay == 0.05
    assert cfg.optim_wrapper.paramwise_cfg.layer_decay_rate == 0.65
    assert cfg.model.backbone.drop_path_rate == 0.1
    assert [s.end for s in cfg.param_scheduler] == [5, 100]
    assert cfg.param_scheduler[1].eta_min == 1e-6
    augments = [(a.type, a.alpha) for a in cfg.model.train_cfg.augments]
    assert augments == [('Mixup', 0.8), ('CutMix', 1.0)]
    linear = Config.fromfile(f'configs/imagenet/{NAMES[1]}.py')
    assert linear.train_dataloader.batch_size * 8 == 16384
    assert linear.optim_wrapper.optimizer == dict(
        type='LARS', lr=0.1 * 16384 / 256, weight_decay=0.0, momentum=0.9
    )
    assert linear.train_cfg.max_epochs == 90
    for loader in (linear.train_dataloader, linear.test_dataloader):
        assert loader.dataset.pipeline[1].interpolation == 'bicubic'


def test_fixed_positions_as_siameseim_has_them(imagenet, tmp_path):
    """The switch of the README; all else learns as without it."""
    cfg = reduced(NAMES[0], imagenet, tmp_path)
    cfg.merge_from_dict(
        {
            'optim_wrapper.constructor': (
                'm3i_mm.LayerDecayOptimWrapperConstructor'
            ),
            'optim_wrapper.paramwise_cfg': dict(
                _delete_=True,
                layer_decay_rate=0.65,
                custom_keys=dict(
                    pos_embed=dict(lr_mult=0.0),
                    cls_token=dict(decay_mult=0.0),
                ),
            ),
        }
    )
    runner = Runner.from_cfg(cfg)
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    groups = {
        id(p): group
        for group in wrapper.optimizer.param_groups
        for p in group['params']
    }
    for name, parameter in runner.model.named_parameters():
        depth = 3  # embeddings, two layers, head
        if 'layers' in name:
            depth = 2 - int(name.split('layers.')[1][0])
        elif name.startswith(('head', 'backbone.ln')):
            depth = 0
        lr = 0.0 if 'pos_embed' in name else 1e-3 * 0.65**depth
        group = groups[id(parameter)]
        assert group['lr'] == pytest.approx(lr), name
        decays = parameter.ndim > 1 and 'cls_token' not in name
        assert group['weight_decay'] == 0.05 * decays, name


def test_class_token_as_siameseim_reads_it(imagenet, tmp_path):
    """The switch of the README: what leaves the last layer."""
    cfg = reduced(NAMES[2], imagenet, tmp_path)
    cfg.merge_from_dict(
        {
            'model.backbone.out_type': 'cls_token',
            'model.backbone.final_norm': False,
        }
    )
    model = building.build_model(cfg).eval()
    seen = []
    model.backbone.layers[-1].register_forward_hook(
        lambda module, inputs, output: seen.append(output)
    )
    (feature,) = model.extract_feat(torch.randn(2, 3, 32, 32))
    assert torch.equal(feature, seen[0][:, 0])


def test_bias_of_the_linear_probe_learns_at_the_plain_rate(imagenet, tmp_path):
    """LARS is for weights."""
    cfg = reduced(NAMES[1], imagenet, tmp_path)
    runner = Runner.from_cfg(cfg)
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    optimizer = wrapper.optimizer
    heads = dict(runner.model.head.named_parameters())
    before = {name: p.detach().clone() for name, p in heads.items()}
    for group in optimizer.param_groups:
        group['lr'] = 0.5
    for parameter in heads.values():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, parameter in heads.items():
        wanted = 0.5
        if parameter.ndim > 1:
            norms = before[name].norm() / parameter.grad.norm()
            wanted = 0.5 * 1e-3 * norms.item()
        step = before[name] - parameter.detach()
        torch.testing.assert_close(step, torch.full_like(step, wanted))
