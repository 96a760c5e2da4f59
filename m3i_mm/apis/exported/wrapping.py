"""Which models of OpenMMLab can be exported as a whole."""

from __future__ import annotations

from typing import Any

from torch import nn

from m3i_mm.runs.config_check import ConfigError

from .detector import ExportedDetector, missing_in_detector
from .segmentor import ExportedSegmentor

__all__ = ['wrap_for_export']


def wrap_for_export(model: Any) -> nn.Module:
    """Make a function of images alone of a detector or segmentor.

    Args:
        model (nn.Module): Any model; classifiers and backbones are such
            functions, and are returned as they are.

    Returns:
        nn.Module: Takes normalised images ``(B, 3, H, W)``.

    Raises:
        ConfigError: If it is a detector or segmentor of another kind.
    """
    library = type(model).__mro__
    names = {f'{c.__module__.split(".")[0]}.{c.__name__}' for c in library}
    if 'mmseg.EncoderDecoder' in names:
        _refuse(model, _missing_in_segmentor(model))
        return ExportedSegmentor(model)
    if 'mmdet.BaseDetector' in names:
        _refuse(model, missing_in_detector(model))
        return ExportedDetector(model)
    return model


def _missing_in_segmentor(model: Any) -> str | None:
    """Say what of a segmentor cannot be exported."""
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead

    head = model.decode_head
    if isinstance(head, nn.ModuleList):
        return 'a cascade of heads'
    if type(head).predict is not BaseDecodeHead.predict:
        return f'a {type(head).__name__}, which predicts in a way of its own,'
    return None


def _refuse(model: Any, missing: str | None) -> None:
    if missing is not None:
        raise ConfigError(
            f'{type(model).__name__} with {missing} is not exported as a '
            'whole; --part backbone exports its backbone'
        )
