"""A backbone trained by M3I as a folder that timm loads.

The folder has ``config.json`` and ``model.safetensors``, as timm's own models
on the Hugging Face hub, so both roads lead to it::

    import m3i_mm.timm  # for InternImage; a ViT needs timm alone
    timm.create_model('local-dir:FOLDER', pretrained=True, num_classes=10)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import timm
from timm.models._hub import save_for_hf
from torch import Tensor

from m3i_mm.checkpoints.comparing import compare
from m3i_mm.checkpoints.errors import CheckpointError
from m3i_mm.checkpoints.fitting import weights_of
from m3i_mm.checkpoints.publishing import extract
from m3i_mm.checkpoints.reading import read_checkpoint
from m3i_mm.checkpoints.recorded import recorded_config

from . import registration

__all__ = ['publish_for_timm']

# what has no effect on a trained network, or is the same there
_NEUTRAL = {
    'type',
    'init_cfg',
    'out_type',
    'out_indices',
    'drop_path_rate',
    'drop_rate',
    'with_cp',
    'backend',
    'frozen_stages',
    'norm_eval',
    'interpolate_mode',
    '_scope_',
}
_VIT_NAMES = (
    (re.compile(r'^patch_embed\.projection\.'), 'patch_embed.proj.'),
    (re.compile(r'^layers\.'), 'blocks.'),
    (re.compile(r'\.ln([12])\.'), r'.norm\1.'),
    (re.compile(r'\.ffn\.layers\.0\.0\.'), '.mlp.fc1.'),
    (re.compile(r'\.ffn\.layers\.1\.'), '.mlp.fc2.'),
    (re.compile(r'\.attn\.gamma1\.weight$'), '.ls1.gamma'),
    (re.compile(r'\.ffn\.gamma2\.weight$'), '.ls2.gamma'),
    (re.compile(r'^ln1\.'), 'norm.'),
)
_VIT_SIZES = {192: 'tiny', 384: 'small', 768: 'base', 1024: 'large'}


class _Form(NamedTuple):
    """How timm builds a backbone."""

    name: str
    arguments: dict[str, Any]
    weights: dict[str, Tensor]


def publish_for_timm(checkpoint: str, out: str, part: str = 'student') -> str:
    """Write a backbone of a training checkpoint as timm's models are.

    InternImage and MMPretrain's ``VisionTransformer`` have a place in timm.
    The features are averaged over the patches, as M3I's are evaluated; mean
    and deviation of the pixels are those of the training.

    Args:
        checkpoint (str): The training checkpoint, with its config.
        out (str): The folder, made if need be.
        part (str): ``'student'`` or ``'momentum'``. Defaults to
            ``'student'``.

    Returns:
        str: The folder.

    Raises:
        CheckpointError: If the checkpoint has no such part or no config, or
            timm has no such network.
    """
    content = read_checkpoint(checkpoint)
    config = recorded_config(content, checkpoint)
    weights = extract(weights_of(content), part, with_prefix=False)
    backbone = config.get('model', {}).get('backbone', {})
    kind = str(backbone.get('type')).rpartition('.')[2]
    forms = dict(InternImage=_internimage, VisionTransformer=_vit)
    if kind not in forms:
        raise CheckpointError(
            f'{checkpoint} has the backbone {kind}, which cannot be published '
            f'for timm; {" and ".join(forms)} can'
        )
    form = forms[kind](backbone, weights)
    model = timm.create_model(form.name, **form.arguments)
    own = model.state_dict()
    comparison = compare(own, form.weights)
    if len(comparison.matched) < len(own | form.weights):
        raise CheckpointError(
            f'{checkpoint} does not fit {form.name} of timm: '
            f'{comparison.describe(own | form.weights)}'
        )
    model.load_state_dict(form.weights)
    save_for_hf(
        model,
        out,
        model_config=dict(pretrained_cfg=_preprocessing(config, backbone)),
        model_args=form.arguments,
        safe_serialization=True,
    )
    return out


def _preprocessing(
    config: Mapping[str, Any], backbone: Mapping[str, Any]
) -> dict[str, Any]:
    preprocessor = config.get('data_preprocessor') or config['model'].get(
        'data_preprocessor', {}
    )
    pixels = {
        name: tuple(value / 255 for value in preprocessor[name])
        for name in ('mean', 'std')
        if name in preprocessor
    }
    size = backbone.get('img_size', 224)
    return dict(
        pixels,
        input_size=(backbone.get('in_channels', 3), size, size),
        crop_pct=1.0,
        num_classes=0,
    )


def _take(
    settings: Mapping[str, Any], names: Mapping[str, str], kind: str
) -> dict[str, Any]:
    """Translate settings; raise if one is not known to be understood."""
    unknown = sorted(settings.keys() - names.keys() - _NEUTRAL)
    if unknown:
        raise CheckpointError(
            f'The backbone {kind} has settings that timm has no word for: '
            f'{", ".join(unknown)}'
        )
    return {
        new: settings[old] for old, new in names.items() if old in settings
    }


def _internimage(
    settings: Mapping[str, Any], weights: dict[str, Tensor]
) -> _Form:
    names = dict(
        arch='arch',
        in_channels='in_chans',
        layer_scale='layer_scale',
        norm_layer='norm_layer',
    )
    arguments = _take(settings, names, 'InternImage')
    arch = arguments.setdefault('arch', 'tiny')
    name = f'internimage_{arch if isinstance(arch, str) else "tiny"}'
    assert hasattr(registration, name)
    arguments.update(head='linear', num_classes=0)
    return _Form(name, arguments, weights)


def _vit(settings: Mapping[str, Any], weights: dict[str, Tensor]) -> _Form:
    names = dict(
        img_size='img_size',
        in_channels='in_chans',
        patch_size='patch_size',
        qkv_bias='qkv_bias',
        layer_scale_init_value='init_values',
        with_cls_token='class_token',
        final_norm='final_norm',
    )
    rest = {k: v for k, v in settings.items() if k != 'arch'}
    arguments = _take(rest, names, 'VisionTransformer')
    arch = settings.get('arch', 'base')
    if isinstance(arch, str):
        from mmpretrain.models import VisionTransformer

        arch = VisionTransformer.arch_zoo[arch]
    width = arch['embed_dims']
    arguments = {
        'img_size': 224,
        'patch_size': 16,
        **arguments,
        'embed_dim': width,
        'depth': arch['num_layers'],
        'num_heads': arch['num_heads'],
        'mlp_ratio': arch['feedforward_channels'] / width,
        'global_pool': 'avg',
        'fc_norm': False,
        'num_classes': 0,
    }
    renamed = {}
    for name, tensor in weights.items():
        for pattern, replacement in _VIT_NAMES:
            name = pattern.sub(replacement, name)
        renamed[name] = tensor
    name = f'vit_{_VIT_SIZES.get(width, "base")}_patch16_224'
    return _Form(name, arguments, renamed)
