"""What the official InternImage code gave for four small networks."""

from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).parents[1] / 'data/internimage'
SHARED = Path(__file__).parents[3] / 'shared/fixtures/internimage'
WIDTHS = dict(channels=8, groups=(1, 2, 4, 8))
ARCHS = dict(
    tiny_like=dict(WIDTHS, depths=(1, 1, 2, 1)),
    small_like=dict(
        WIDTHS, depths=(1, 1, 2, 1), post_norm=True, layer_scale=1e-5
    ),
    large_like=dict(
        WIDTHS,
        depths=(1, 1, 2, 1),
        post_norm=True,
        layer_scale=1e-5,
        offset_scale=2.0,
    ),
    huge_like=dict(
        WIDTHS,
        depths=(1, 1, 4, 1),
        res_post_norm=True,
        dw_kernel_size=5,
        level2_post_norm_block_ids=(1, 3),
        center_feature_scale=True,
        head='attention_pool',
    ),
)


def read(path):
    """The arrays of a file: the state dict apart from the rest."""
    arrays = {k: torch.from_numpy(v) for k, v in np.load(path).items()}
    prefix = 'state_dict/'
    state = {
        name.removeprefix(prefix): arrays.pop(name)
        for name in list(arrays)
        if name.startswith(prefix)
    }
    return arrays, state


def backbone_part(state):
    return {
        name: tensor
        for name, tensor in state.items()
        if name.startswith(('patch_embed.', 'levels.'))
    }


def relative_error(value, expected):
    return float((value - expected).abs().max() / expected.abs().max())


def shrink(cfg):
    """A shipped classifier with few channels and blocks."""
    head = 'conv' if isinstance(cfg.model.neck, dict) else 'attention_pool'
    arch = dict(channels=16, depths=(1, 1, 1, 1), groups=(1, 2, 4, 8))
    cfg.model.backbone.arch = arch
    if head == 'conv':
        cfg.model.neck.update(in_channels=128, out_channels=32)
        cfg.model.head.in_channels = 32
    else:
        cfg.model.neck[0].update(in_channels=(64, 128), out_channels=32)
        cfg.model.neck[1].update(in_channels=32, out_channels=32, num_heads=2)
        cfg.model.head.in_channels = 32
    return cfg
