"""The names of InternImage in timm, and the weights behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timm.models import (
    build_model_with_cfg,
    generate_default_cfgs,
    register_model,
)
from torch import Tensor

from m3i_mm.models.internimage.released_names import official_names

from .internimage import InternImageForTimm, build

# register_model adds the names of the models
__all__ = ['checkpoint_filter_fn']

REPOSITORY = 'OpenGVLab/InternImage'


def _cfg(filename: str, size: int = 224, **changes: Any) -> dict[str, Any]:
    """Describe released weights to timm; evaluation takes no margin."""
    return dict(
        hf_hub_id=REPOSITORY,
        hf_hub_filename=filename,
        license='mit',
        origin_url='https://github.com/OpenGVLab/InternImage',
        paper_ids='arXiv:2211.05778',
        input_size=(3, size, size),
        pool_size=(size // 32, size // 32),
        crop_pct=1.0,
        interpolation='bicubic',
        num_classes=1000,
        first_conv='patch_embed.conv1',
        classifier='head',
        **changes,
    )


def _in22k(filename: str, size: int) -> dict[str, Any]:
    return {**_cfg(filename, size), 'num_classes': 21841}


def _scaled(cfg: dict[str, Any]) -> dict[str, Any]:
    """H and G: what is pooled has stride 16."""
    size = cfg['input_size'][1] // 16
    return {**cfg, 'pool_size': (size, size)}


default_cfgs = generate_default_cfgs(
    {
        'internimage_tiny.opengvlab_in1k': _cfg('internimage_t_1k_224.pth'),
        'internimage_small.opengvlab_in1k': _cfg('internimage_s_1k_224.pth'),
        'internimage_base.opengvlab_in1k': _cfg('internimage_b_1k_224.pth'),
        'internimage_large.opengvlab_in22k_ft_in1k_384': _cfg(
            'internimage_l_22kto1k_384.pth', 384
        ),
        'internimage_large.opengvlab_in22k_384': _in22k(
            'internimage_l_22k_192to384.pth', 384
        ),
        'internimage_xlarge.opengvlab_in22k_ft_in1k_384': _cfg(
            'internimage_xl_22kto1k_384.pth', 384
        ),
        'internimage_xlarge.opengvlab_in22k_384': _in22k(
            'internimage_xl_22k_192to384.pth', 384
        ),
        'internimage_huge.opengvlab_joint_in22k_ft_in1k_640': _scaled(
            _cfg('internimage_h_22kto1k_640.pth', 640)
        ),
        'internimage_huge.opengvlab_joint_in22k_384': _scaled(
            _in22k('internimage_h_jointto22k_384.pth', 384)
        ),
        'internimage_giant.opengvlab_joint_in22k_ft_in1k_512': _scaled(
            _cfg('internimage_g_22kto1k_512.pth', 512)
        ),
        'internimage_giant.opengvlab_joint_in22k_384': _scaled(
            _in22k('internimage_g_pretrainto22k_384.pth', 384)
        ),
    }
)


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
