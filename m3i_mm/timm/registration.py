"""The names of InternImage in timm, and the weights behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from timm.models import (
    build_model_with_cfg,
    generate_default_cfgs,
    register_model,
)
from torch import Tensor

from m3i_mm.checkpoints.released import ReleasedFile, released_files
from m3i_mm.models.internimage.archs import ARCHS, InternImageArch
from m3i_mm.models.internimage.released_names import official_names

from .internimage import InternImageForTimm, build

# register_model adds the names of the models
__all__ = ['checkpoint_filter_fn']

SIZES = dict(
    t='tiny',
    s='small',
    b='base',
    l='large',
    xl='xlarge',
    h='huge',
    g='giant',
)
# models of the table of released files: internimage-SIZE_[DATA-pre_]
# [RECIPE_]DATA[-SIDE]
CLASSIFIER = re.compile(
    r'internimage-(?P<size>[a-z]+)_((?P<before>(joint-)?in22k)-pre_)?'
    r'(\d+xb.*_)?(?P<data>(joint-)?in\d+k)(-(?P<side>\d+))?'
)
ADDRESS = re.compile(
    r'https://huggingface\.co/(?P<repository>.+)/resolve/main/(?P<file>.+)'
)
CLASSES = 'model.head.num_classes'


def _released_cfgs() -> dict[str, Any]:
    """Describe the authors' classifiers of ImageNet to timm, by tag."""
    cfgs = {}
    for file in released_files().values():
        model = CLASSIFIER.fullmatch(file.models[0])
        if model is not None:
            size = SIZES[model['size']]
            tag = '_'.join(
                part.replace('-', '_')
                for part in (
                    'opengvlab',
                    *((model['before'], 'ft') if model['before'] else ()),
                    model['data'],
                    model['side'],
                )
                if part
            )
            side = int(model['side'] or 224)
            cfgs[f'internimage_{size}.{tag}'] = _cfg(file, ARCHS[size], side)
    return cfgs


def _cfg(
    file: ReleasedFile, arch: InternImageArch, side: int
) -> dict[str, Any]:
    """Describe released weights; evaluation takes no margin."""
    address = ADDRESS.fullmatch(file.url)
    assert address is not None
    # what H and G pool has stride 16
    pooled = side // (16 if arch.head == 'attention_pool' else 32)
    return dict(
        hf_hub_id=address['repository'],
        hf_hub_filename=address['file'],
        license='mit',
        origin_url='https://github.com/OpenGVLab/InternImage',
        paper_ids='arXiv:2211.05778',
        input_size=(3, side, side),
        pool_size=(pooled, pooled),
        crop_pct=1.0,
        interpolation='bicubic',
        num_classes=file.options.get(CLASSES, 1000),
        first_conv='patch_embed.conv1',
        classifier='head',
    )


default_cfgs = generate_default_cfgs(_released_cfgs())


def checkpoint_filter_fn(
    state_dict: Mapping[str, Any], model: InternImageForTimm
) -> dict[str, Tensor]:
    """Give the tensors of any InternImage file the names of the model.

    Args:
        state_dict (Mapping): What a file holds.
        model (InternImageForTimm): The model that loads it; timm gives it.

    Returns:
        dict[str, Tensor]: Tensors under official names.
    """
    return official_names(state_dict)


def _create(
    size: str, pretrained: bool, settings: dict[str, Any]
) -> InternImageForTimm:
    return build_model_with_cfg(
        build,
        f'internimage_{size}',
        pretrained,
        pretrained_filter_fn=checkpoint_filter_fn,
        feature_cfg=dict(out_indices=(0, 1, 2, 3), feature_cls='getter'),
        **{'arch': size, **settings},
    )


@register_model
def internimage_tiny(
    pretrained: bool = False, **kwargs: Any
) -> InternImageForTimm:
    """InternImage-T."""
    return _create('tiny', pretrained, kwargs)


@register_model
def internimage_small(
    pretrained: bool = False, **kwargs: Any
) -> InternImageForTimm:
    """InternImage-S."""
    return _create('small', pretrained, kwargs)


@register_model
def internimage_base(
    pretrained: bool = False, **kwargs: Any
) -> InternImageForTimm:
    """InternImage-B."""
    return _create('base', pretrained, kwargs)


@register_model
def internimage_large(
    pretrained: bool = False, **kwargs: Any
) -> InternImageForTimm:
    """InternImage-L."""
    return _create('large', pretrained, kwargs)


@register_model
def internimage_xlarge(
    pretrained: bool = False, **kwargs: Any
) -> InternImageForTimm:
    """InternImage-XL."""
    return _create('xlarge', pretrained, kwargs)


@register_model
def internimage_huge(
    pretrained: bool = False, **kwargs: Any
) -> InternImageForTimm:
    """InternImage-H."""
    return _create('huge', pretrained, kwargs)


@register_model
def internimage_giant(
    pretrained: bool = False, **kwargs: Any
) -> InternImageForTimm:
    """InternImage-G."""
    return _create('giant', pretrained, kwargs)
