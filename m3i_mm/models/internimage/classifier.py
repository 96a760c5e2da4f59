"""InternImage classifiers, built on MMPretrain's ``ImageClassifier``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .archs import InternImageArch, get_arch

if TYPE_CHECKING:
    from mmpretrain.models import ImageClassifier

__all__ = ['build_internimage_classifier', 'internimage_classifier_config']

FUSED_CHANNELS = 1024
POOLED_CHANNELS = 768


def _conv_head(arch: InternImageArch) -> tuple[Any, int]:
    channels = arch.stage_channels[-1]
    width = channels * 3 // 2
    neck = dict(
        type='m3i_mm.ConvPoolingNeck',
        in_channels=channels,
        out_channels=width,
    )
    return neck, width


def _attention_pool_head(arch: InternImageArch) -> tuple[Any, int]:
    fusion = dict(
        type='m3i_mm.StageFusion',
        in_channels=arch.stage_channels[-2:],
        out_channels=FUSED_CHANNELS,
    )
    pooling = dict(
        type='m3i_mm.AttentionPoolingNeck',
        in_channels=FUSED_CHANNELS,
        out_channels=POOLED_CHANNELS,
    )
    return [fusion, pooling], POOLED_CHANNELS


def internimage_classifier_config(
    arch: str | Mapping[str, Any], num_classes: int = 1000, **backbone: Any
) -> dict[str, Any]:
    """Write the config of an InternImage classifier.

    Args:
        arch (str | dict): See :class:`InternImage`; its ``head`` decides
            between the convolutional head and attention pooling.
        num_classes (int): Number of classes.
        **backbone (Any): Further arguments of :class:`InternImage`.

    Returns:
        dict: Config of MMPretrain's ``ImageClassifier``.
    """
    settings = get_arch(arch)
    heads = {'conv': _conv_head, 'attention_pool': _attention_pool_head}
    neck, width = heads[settings.head](settings)
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='m3i_mm.InternImage', arch=arch, **backbone),
        neck=neck,
        head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=num_classes,
            in_channels=width,
            init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02),
        ),
    )


def build_internimage_classifier(
    arch: str | Mapping[str, Any], num_classes: int = 1000, **backbone: Any
) -> ImageClassifier:
    """Build an InternImage classifier.

    Args:
        arch (str | dict): See :class:`InternImage`.
        num_classes (int): Number of classes.
        **backbone (Any): Further arguments of :class:`InternImage`.

    Returns:
        ImageClassifier: MMPretrain's classifier. Official classification
        files load into it as they are.
    """
    from mmpretrain.registry import MODELS

    config = internimage_classifier_config(arch, num_classes, **backbone)
    return MODELS.build(dict(_scope_='mmpretrain', **config))
