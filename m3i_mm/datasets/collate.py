"""From samples to the batch of a pre-training step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dataset import default_collate

from m3i_mm.registry import FUNCTIONS

from .fields import Annotations

__all__ = ['collate_annotated']


@FUNCTIONS.register_module()
def collate_annotated(
    samples: Sequence[dict[str, Any]],
    padding: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Stack images and what is known of them.

    ``train_dataloader=dict(collate_fn=dict(type='m3i_mm.collate_annotated'))``

    Args:
        samples (Sequence[dict]): B times ``inputs``, an image or a list of V
            views ``(3, H, W)``, and ``data_samples``.
        padding (Mapping[str, int], optional): Padding token of each field of
            texts. Defaults to ``dict(text_tokens=0)``.

    Returns:
        dict: ``inputs``, ``(B, 3, H, W)`` or a list of V such tensors, and
        ``data_samples``, :class:`.Annotations` of the B samples.

    Raises:
        AnnotationError: See :meth:`.Annotations.stack`.
    """
    inputs = default_collate([sample['inputs'] for sample in samples])
    annotations = Annotations.stack(
        (sample['data_samples'] for sample in samples), padding
    )
    return dict(inputs=inputs, data_samples=annotations)
