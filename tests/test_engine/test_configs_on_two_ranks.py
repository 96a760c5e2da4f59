"""The shipped configs, shrunk, train on two ranks as on one.

Two oracles. Before every step each rank computes the gradient of its batch
once more without the wrapper: the optimizer has to get the mean of these,
whatever hooks, wrapper, losses and backbone there are. And where a loss is a
mean over the batch, two ranks have to equal one with the doubled batch.
"""

import copy
import uuid
from pathlib import Path
from unittest import mock

import pytest
import torch
import toy.views  # noqa: F401
from mmengine import dist
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import nn
from toy.downstream import (
    read_config,
    shrink,
    use_data,
    write_detection_set,
    write_segmentation_set,
)
from toy.ranks import run_two_processes

from m3i_mm.runs.cli import build_runner
from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.processes import setup_cpu_processes

ROOT = Path(__file__).parents[2]
STEPS = 2  # DDP arranges its buckets anew after the first
PRETRAINING = {
    'm3i-resnet': 'configs/m3i/m3i_resnet18_1xb64-coslr-24e_emoji.py',
    'm3i-contrast': (
        'configs/m3i/m3i_resnet18-contrast_1xb64-coslr-16e_emoji.py'
    ),
    'm3i-internimage': 'configs/m3i/m3i_internimage_1xb64-coslr-24e_emoji.py',
    'm3i-vit': (
        'configs/m3i/m3i_vit-small-p16_32xb128-amp-coslr-400e_in1k.py'
    ),
    'mocov3': (
        'projects/instances/configs/mocov3_vit-small-p16_1xb64-10e_emoji.py'
    ),
    'mae': 'projects/instances/configs/mae_vit-small-p16_1xb64-10e_emoji.py',
    'classification': (
        'configs/internimage/internimage-t_32xb128-amp-coslr-300e_in1k.py'
    ),
}
DOUBLED = (
    'm3i-resnet',
    'm3i-contrast',
    'm3i-internimage',
    'm3i-vit',
    'classification',
)
DOWNSTREAM = {
    'cascade': 'coco/cascade-mask-rcnn_internimage-l_fpn_32xb2-3x_coco.py',
    'dino': 'coco/dino-4scale_internimage-t_8xb2-12e_coco.py',
    'vitdet': 'coco/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_coco.py',
    'upernet': 'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py',
    'mask2former': (
        'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
        'ade20k-896x896.py'
    ),
}
SMALL_INTERNIMAGE = dict(
    channels=8,
    depths=[1, 1, 1, 1],
    groups=[1, 2, 4, 8],
    mlp_ratio=1.0,
    offset_scale=1.0,
)


def small_pretraining(name, batch_size, order):
    """A pre-training or classification config on fixed views."""
    # InternImage's patches, of 32 pixels, show two images
    size = 64 if name == 'm3i-internimage' else 32
    cfg = Config.fromfile(ROOT / PRETRAINING[name])
    backbone = cfg.model.backbone
    if backbone.type.endswith('VisionTransformer'):
        backbone.arch = dict(
            embed_dims=384,
            num_layers=1,
            num_heads=2,
            feedforward_channels=64,
        )
        backbone.img_size = size
    elif backbone.type.endswith('InternImage'):
        backbone.arch = SMALL_INTERNIMAGE
        last = 64 if name == 'classification' else [32, 64]
        cfg.model.neck.in_channels = last
    _simplify(cfg.model)
    if name == 'classification':
        cfg.model.pop('train_cfg')  # mixing draws by the batch
    cfg.train_dataloader = dict(
        batch_size=batch_size,
        num_workers=0,
        dataset=dict(
            type='FixedViews',
            order=order,
            size=size,
            length=8 * STEPS,
            views=1 if name == 'classification' else 2,
        ),
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    return cfg


def _simplify(node):
    """Take out chance and depth."""
    values = node.values() if isinstance(node, dict) else node
    if isinstance(node, dict):
        if node.get('type') == 'PatchMix':
            node['type'] = 'ChessboardMix'
        for key, value in dict(
            depth=1, vocab_size=49408, drop_path_rate=0.0, dropout=0.0
        ).items():
            if key in node and node.get('type') != 'mmpretrain.ResNet':
                node[key] = value
    for value in values:
        if isinstance(value, (dict, list)):
            _simplify(value)


def small_downstream(name, folder):
    cfg = read_config(DOWNSTREAM[name])
    root = folder / name
    if cfg.default_scope == 'mmseg':
        write_segmentation_set(root)
    else:
        from mmdet.datasets import CocoDataset

        write_detection_set(root, CocoDataset.METAINFO['classes'])
    return use_data(shrink(cfg), root)


def shorten(cfg, folder):
    """Train a few steps, and neither evaluate nor save."""
    for split in ('val', 'test'):
        for key in ('dataloader', 'evaluator', 'cfg'):
            cfg[f'{split}_{key}'] = None
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=STEPS)
    cfg.param_scheduler = None
    cfg.optim_wrapper.clip_grad = None
    # Adam would make weights of rounding where gradients are zero
    cfg.optim_wrapper.optimizer = dict(type='SGD', lr=0.02, weight_decay=0.0)
    cfg.optim_wrapper.type = 'OptimWrapper'
    cfg.optim_wrapper.pop('dtype', None)
    cfg.optim_wrapper.pop('loss_scale', None)
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.pop('visualization', None)
    cfg.custom_hooks = [
        hook
        for hook in cfg.get('custom_hooks') or []
        if 'DataReport' not in hook.type and 'ProgressBar' not in hook.type
    ]
    cfg.auto_scale_lr = None
    cfg.log_level = 'ERROR'
    cfg.work_dir = str(folder)
    cfg.experiment_name = uuid.uuid4().hex
    complete_dataloaders(cfg)
    return Config(cfg._cfg_dict.to_dict())


class GradientOracle(Hook):
    """Compares what the optimizer gets with the mean of both ranks."""

    # after the hooks of the config have had their say
    priority = 'LOWEST'

    def __init__(self):
        self.errors = []

    def before_train(self, runner):
        runner.optim_wrapper.optimizer.register_step_pre_hook(
            lambda *_: self.compare(runner.model.module)
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        module = runner.model.module
        buffers = {k: v.clone() for k, v in module.named_buffers()}
        with torch.random.fork_rng():
            data = module.data_preprocessor(copy.deepcopy(data_batch), True)
            losses = module._run_forward(data, mode='loss')
        trained = [p for p in module.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(
            module.parse_losses(losses)[0], trained, allow_unused=True
        )
        self.expected = []
        for parameter, gradient in zip(trained, gradients, strict=True):
            mean = (
                torch.zeros_like(parameter) if gradient is None else gradient
            )
            mean = mean.contiguous()
            dist.all_reduce(mean, op='mean')
            self.expected.append(mean)
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])

    def compare(self, module):
        trained = [p for p in module.parameters() if p.requires_grad]
        found = [
            torch.zeros_like(p) if p.grad is None else p.grad for p in trained
        ]
        difference = [a - b for a, b in zip(found, self.expected, strict=True)]
        self.errors.append(norm(difference) / norm(self.expected))


def norm(tensors):
    return float(sum(t.double().square().sum() for t in tensors).sqrt())


class Recorder(Hook):
    """Losses; batch statistics, which each rank has its own, stay out."""

    def __init__(self):
        self.losses = []

    def before_train(self, runner):
        # numbers are drawn in the order of memory, which hooks may change
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in runner.model.parameters():
                if parameter.dim() > 1:
                    drawn = torch.randn(parameter.shape, generator=generator)
                    parameter.copy_(0.05 * drawn)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.losses.append(float(outputs['loss']))


def train(cfg, *hooks):
    """Train with the hooks of the config; return the weights."""
    DefaultScope._instance_dict.clear()
    with mock.patch.object(Runner, '_log_env'):  # a second each
        runner = build_runner(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    model = runner.train()
    return getattr(model, 'module', model).state_dict()


def compare_gradients(rank, folder):
    errors = {}
    for name in (*PRETRAINING, *DOWNSTREAM):
        cfg = (
            small_downstream(name, folder)
            if name in DOWNSTREAM
            else small_pretraining(name, 4, range(8))
        )
        cfg = shorten(cfg, folder)
        cfg.launcher = 'pytorch'
        setup_cpu_processes(cfg)
        oracle = GradientOracle()
        train(cfg, oracle)
        errors[name] = oracle.errors
    torch.save(errors, folder / f'{rank}.pth')


def train_halves(rank, folder):
    found = {}
    for name in DOUBLED:
        cfg = shorten(small_pretraining(name, 4, range(8)), folder)
        cfg.launcher = 'pytorch'
        setup_cpu_processes(cfg)
        recorder = Recorder()
        found[name] = train(cfg, recorder), recorder.losses
    torch.save(found, folder / f'{rank}.pth')


@pytest.fixture(scope='module', autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def errors(tmp_path_factory):
    folder = tmp_path_factory.mktemp('gradients')
    run_two_processes(compare_gradients, folder)
    return torch.load(folder / '0.pth')


@pytest.mark.parametrize('name', [*PRETRAINING, *DOWNSTREAM])
def test_the_optimizer_gets_the_mean_gradient(errors, name):
    assert len(errors[name]) == STEPS
    assert max(errors[name]) < 1e-4


@pytest.fixture(scope='module')
def halves(tmp_path_factory):
    folder = tmp_path_factory.mktemp('halves')
    run_two_processes(train_halves, folder)
    return [torch.load(folder / f'{rank}.pth') for rank in range(2)]


@pytest.mark.parametrize('name', DOUBLED)
def test_two_ranks_equal_the_doubled_batch(halves, name, tmp_path):
    # process r of two reads the images r, r + 2, ...
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    recorder = Recorder()
    cfg = shorten(small_pretraining(name, 8, order), tmp_path)
    whole = train(cfg, recorder)
    for step, loss in enumerate(recorder.losses):
        parts = [rank[name][1][step] for rank in halves]
        assert sum(parts) / 2 == pytest.approx(loss, rel=1e-4)
    for weights, _ in (rank[name] for rank in halves):
        for key, expected in whole.items():
            torch.testing.assert_close(
                weights[key], expected, rtol=1e-4, atol=1e-4, msg=key
            )
