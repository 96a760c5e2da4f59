"""Mask2Former head that resizes class probabilities, not mask logits.

MMSegmentation, like the original Mask2Former, enlarges the mask logits of
every query to the size of the image and combines the queries there. The code
that InternImage's Mask2Former results come from combines them at a quarter of
the resolution and enlarges the result, which needs memory for C instead of
Q + C maps and gives slightly different boundaries. Its files, which have
MMSegmentation 0's names, load as they are.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads import Mask2FormerHead
from mmseg.structures import SegDataSample
from torch import Tensor

from m3i_mm.registry import MODELS

from ..internimage.released_detectors import adapt_to_model

__all__ = ['ProbabilityMask2FormerHead']


@MODELS.register_module()
class ProbabilityMask2FormerHead(Mask2FormerHead):
    """MMSegmentation's head with the inference of InternImage's release.

    Args:
        *args: Arguments of MMSegmentation's ``Mask2FormerHead``.
        **kwargs: Keyword arguments of ``Mask2FormerHead``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._register_load_state_dict_pre_hook(self._adapt)

    @staticmethod
    def _adapt(state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        """Let the released files load."""
        adapt_to_model(state_dict, prefix, 'decode_head.')

    def predict(
        self,
        x: tuple[Tensor, ...],
        batch_img_metas: list[dict],
        test_cfg: dict,
    ) -> Tensor:
        """Predict class scores.

        Args:
            x (tuple[Tensor]): Maps of the backbone, each (B, C, h, w).
            batch_img_metas (list[dict]): Meta information of the images; the
                first tells the size of all.
            test_cfg (dict): Unused, part of MMSegmentation's interface.

        Returns:
            Tensor: (B, num_classes, H, W); per class the sum over queries of
            class probability times mask probability.
        """
        samples = [SegDataSample(metainfo=meta) for meta in batch_img_metas]
        class_logits, mask_logits = (outs[-1] for outs in self(x, samples))
        # the last class is "no object"
        class_scores = class_logits.softmax(dim=-1)[..., :-1]
        scores = torch.einsum(
            'bqc, bqhw -> bchw', class_scores, mask_logits.sigmoid()
        )
        meta = batch_img_metas[0]
        size = meta.get('pad_shape', meta['img_shape'])[:2]
        return F.interpolate(
            scores, size=size, mode='bilinear', align_corners=False
        )
