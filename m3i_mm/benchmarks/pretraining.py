"""What a step of M3I costs beside other pre-trainings on one backbone.

All methods see the same images on the same machine in one run: supervised
training, MAE, SimMIM and MoCo v3 as MMPretrain implements them, CLIP as M3I
with the text target alone, and M3I of a config.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from m3i_mm.runs.building import build_model, model_settings
from m3i_mm.runs.config_check import ConfigError

from .measure import peak_bytes

__all__ = ['Measurement', 'measure', 'method_models', 'synthetic_batch']

Batch = tuple[list[torch.Tensor], list[Any]]


@dataclass
class Measurement:
    """Cost of a training step.

    Attributes:
        images_per_second (float): Images of the data set, however many views
            of each a method takes.
        flops_per_image (float): Floating-point operations of the forward and
            backward pass.
        peak_bytes (int): Memory that a step adds at its worst moment to
            weights and optimizer state: activations, gradients, targets.
        parts (dict[str, float]): Seconds of a step by part.
    """

    images_per_second: float
    flops_per_image: float
    peak_bytes: int
    parts: dict[str, float]


def method_models(cfg: Config, image_size: int) -> dict[str, dict[str, Any]]:
    """Return the model config of every method, on the backbone of one.

    Args:
        cfg (Config): Config of an M3I on a Vision Transformer.
        image_size (int): Side of a view in pixels.

    Returns:
        dict[str, dict]: Model configs by method.

    Raises:
        ConfigError: If the config is of another model.
    """
    m3i = model_settings(cfg)
    kinds = [part['type'].split('.')[-1] for part in (m3i, m3i['backbone'])]
    if kinds != ['M3I', 'VisionTransformer']:
        raise ConfigError(
            f'{cfg.filename or "the config"} is of {kinds[0]} on '
            f'{kinds[1]}; compared are methods on the VisionTransformer of '
            'an M3I'
        )
    m3i['backbone']['img_size'] = image_size
    patch = m3i['backbone'].get('patch_size', 16)
    with torch.device('meta'):
        backbone = build_model(cfg, settings=m3i['backbone'])
    arch = backbone.arch_settings
    dims = arch['embed_dims']
    vit = dict(arch=arch, img_size=image_size, patch_size=patch)
    return {
        'supervised': dict(
            type='mmpretrain.ImageClassifier',
            backbone=dict(vit, type='VisionTransformer'),
            head=dict(
                type='VisionTransformerClsHead',
                num_classes=1000,
                in_channels=dims,
            ),
        ),
        'MAE': _mae(vit, dims),
        'SimMIM': dict(
            type='mmpretrain.SimMIM',
            backbone=dict(
                vit,
                type='BEiTPretrainViT',
                use_abs_pos_emb=True,
                use_rel_pos_bias=False,
                use_shared_rel_pos_bias=False,
            ),
            neck=dict(
                type=_TokenDecoder,
                in_channels=dims,
                encoder_stride=patch,
            ),
            head=dict(
                type='SimMIMHead',
                patch_size=patch,
                loss=dict(
                    type='PixelReconstructionLoss', criterion='L1', channel=3
                ),
            ),
        ),
        'MoCo v3': _mocov3(vit, dims),
        'CLIP': dict(
            type='m3i_mm.M3I',
            backbone=m3i['backbone'],
            objectives=dict(text=_text(dims)),
        ),
        'M3I': m3i,
    }


class _TokenDecoder(nn.Module):
    """MMPretrain's decoder of SimMIM, for the tokens of a ViT."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        self.decoder = MODELS.build(
            dict(kwargs, type='mmpretrain.SimMIMLinearDecoder')
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        patches = tokens[:, 1:].transpose(1, 2)  # (B, C, L)
        side = int(patches.shape[2] ** 0.5)
        return self.decoder(patches.unflatten(2, (side, side)))


def _mae(vit: dict[str, Any], dims: int) -> dict[str, Any]:
    patch = vit['patch_size']
    return dict(
        type='mmpretrain.MAE',
        backbone=dict(vit, type='MAEViT', mask_ratio=0.75),
        neck=dict(
            type='MAEPretrainDecoder',
            num_patches=(vit['img_size'] // patch) ** 2,
            patch_size=patch,
            embed_dim=dims,
            decoder_embed_dim=512,
            decoder_depth=8,
            decoder_num_heads=16,
        ),
        head=dict(
            type='MAEPretrainHead',
            norm_pix=True,
            patch_size=patch,
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
    )


def _mocov3(vit: dict[str, Any], dims: int) -> dict[str, Any]:
    def mlp(in_channels: int, layers: int) -> dict[str, Any]:
        return dict(
            type='NonLinearNeck',
            in_channels=in_channels,
            hid_channels=4096,
            out_channels=256,
            num_layers=layers,
            with_bias=False,
            with_last_bn=True,
            with_last_bn_affine=False,
            with_last_bias=False,
            with_avg_pool=False,
        )

    return dict(
        type='mmpretrain.MoCoV3',
        base_momentum=0.01,
        backbone=dict(vit, type='MoCoV3ViT', stop_grad_conv1=True),
        neck=mlp(dims, 3),
        head=dict(
            type='MoCoV3Head',
            predictor=mlp(256, 2),
            loss=dict(type='CrossEntropyLoss', loss_weight=0.4),
            temperature=0.2,
        ),
    )


def _text(dims: int) -> dict[str, Any]:
    return dict(
        target=dict(
            type='TextTarget',
            text_encoder=dict(
                type='TextTransformer', vocab_size=49408, out_dims=dims
            ),
        ),
        decoder=dict(
            type='AttentionPoolingDecoder',
            in_dims=dims,
            out_dims=dims,
            num_heads=dims // 64 or 1,
        ),
        likelihood=dict(
            type='Contrast',
            temperature=0.07,
            normalize=True,
            symmetric=True,
            negatives=dict(type='BatchNegatives'),
        ),
    )


def synthetic_batch(
    batch_size: int, image_size: int, patch_size: int, device: str
) -> Batch:
    """Make images, labels, texts, masks and places for every method.

    Args:
        batch_size (int): Images B.
        image_size (int): Side S of a view in pixels.
        patch_size (int): Side of a masked patch in pixels.
        device (str): Where the tensors are.

    Returns:
        tuple[list[Tensor], list[DataSample]]: Two views ``(B, 3, S, S)`` and
        B samples.
    """
    from mmpretrain.structures import DataSample

    shape = (batch_size, 3, image_size, image_size)
    views = [torch.randn(shape, device=device) for _ in range(2)]
    grid = image_size // patch_size
    box = [0.0, 0.0, image_size, image_size, 0.0, image_size, image_size]
    samples = []
    for number in range(batch_size):
        sample = DataSample().set_gt_label(number % 1000)
        tokens = torch.randint(1, 49406, (32,))
        sample.set_field(tokens, 'text_tokens')
        sample.set_field(torch.tensor([box, box]), 'view_geometry')
        sample.set_field(torch.rand(grid, grid).lt(0.6).long(), 'mask')
        samples.append(sample.to(device))
    return views, samples


class _Clock:
    """Adds up the seconds of named parts, waiting for the device."""

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith('cuda')
        self.seconds: dict[str, float] = defaultdict(float)

    def now(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = self.now()
        yield
        self.seconds[name] += self.now() - start

    def watch(self, name: str, module: nn.Module) -> list[Any]:
        """Time the forward passes of a module."""
        starts: list[float] = []

        def begin(*_: Any) -> None:
            starts.append(self.now())

        def end(*_: Any) -> None:
            self.seconds[name] += self.now() - starts.pop()

        return [
            module.register_forward_pre_hook(begin),
            module.register_forward_hook(end),
        ]


def watched_parts(model: nn.Module) -> dict[str, nn.Module]:
    """Return the parts of a model whose forward passes do not nest."""
    parts = {}
    for name, child in model.named_children():
        if name == 'decoders':
            parts.update(
                {f'decoder {key}': m for key, m in child.named_children()}
            )
        elif name == 'objectives':
            parts.update(
                {
                    f'text encoder of {key.split(".")[0]}': module
                    for key, module in child.named_modules()
                    if key.endswith('text_encoder')
                }
            )
        elif name != 'data_preprocessor':
            parts[name] = child
    return parts


def measure(
    model_cfg: dict[str, Any],
    batch: Batch,
    device: str,
    dtype: str = 'bfloat16',
    steps: int = 10,
) -> Measurement:
    """Measure training steps of one method.

    Args:
        model_cfg (dict): One of :func:`method_models`.
        batch (tuple): See :func:`synthetic_batch`.
        device (str): As in PyTorch, e.g. ``'cuda'``.
        dtype (str): Precision of the forward pass. Defaults to
            ``'bfloat16'``.
        steps (int): Timed steps, after two that are not. Defaults to 10.

    Returns:
        Measurement: Medians over the steps.
    """
    # MMPretrain's MoCo v3 reads the length of the training here
    MessageHub.get_current_instance().update_info('max_iters', 1000)
    # the methods are those of MMPretrain, whatever the config's scope
    model = revert_sync_batchnorm(build_model(Config(), settings=model_cfg))
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=1e-5
    )
    images, samples = batch
    views = images if _takes_views(model) else images[0]
    clock = _Clock(device)

    def step() -> None:
        with (
            clock.part('forward'),
            torch.autocast(
                device.split(':')[0],
                getattr(torch, dtype),
                enabled=dtype != 'float32',
            ),
        ):
            losses = model(views, samples, mode='loss')
            loss, _ = model.parse_losses(losses)
        with clock.part('backward'):
            loss.backward()
        with clock.part('optimizer'):
            optimizer.step()
            optimizer.zero_grad()
            if hasattr(model, 'update_momentum_encoder'):
                model.update_momentum_encoder(0.995)

    with FlopCounterMode(display=False) as counter:
        step()
    peak = peak_bytes(step, torch.device(device))
    durations, parts = _repeat(step, model, clock, steps)
    return Measurement(
        images_per_second=len(samples) / statistics.median(durations),
        flops_per_image=counter.get_total_flops() / len(samples),
        peak_bytes=peak,
        parts=parts,
    )


def _repeat(
    step: Any, model: nn.Module, clock: _Clock, steps: int
) -> tuple[list[float], dict[str, float]]:
    """Time whole steps, then, apart from that, the parts of as many."""
    durations = []
    for _ in range(steps):
        start = clock.now()
        step()
        durations.append(clock.now() - start)
    clock.seconds.clear()
    for name, module in watched_parts(model).items():
        clock.watch(name, module)
    for _ in range(steps):
        step()
    parts = {name: value / steps for name, value in clock.seconds.items()}
    inner = sum(parts[name] for name in watched_parts(model) if name in parts)
    parts['rest of the forward pass'] = parts.pop('forward') - inner
    return durations, parts


def _takes_views(model: nn.Module) -> bool:
    return type(model).__name__ in ('M3I', 'MoCoV3')
