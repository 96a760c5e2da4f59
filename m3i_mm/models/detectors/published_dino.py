"""DINO as published, on both lines of OpenMMLab.

A query's position is encoded by sines and cosines before a small network
turns it into the query. DINO (Zhang et al., ICLR 2023), its checkpoints and
MMDetection 3.3 take 128 values per coordinate; MMDetection 3.5 of the onedl
line takes 256, so no published checkpoint fits there.

InternImage's DINO further differs from MMDetection's in two values: content
queries start from a normal distribution, and its head adds its offsets to
logits of reference boxes that are clamped at 1e-3 instead of 1e-5. Its files,
which have MMDetection 2's names, load as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.dense_heads import DINOHead
from mmdet.models.detectors import DINO
from mmdet.models.layers import inverse_sigmoid
from mmdet.models.layers.transformer import MLP
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from ..internimage.released_detectors import adapt_to_model
from .scale_range import ScaleRange

__all__ = ['PublishedDINO', 'PublishedDINOHead']

# distance from 0 and 1 at which coordinates are clamped before the logit
CLAMP = 1e-3


class _ReferencePointHead(MLP):
    """Network on the encoding of DINO, whichever encoding it is given.

    Of twice as many frequencies every other one is a frequency of the coarser
    encoding: 10000^(2 (2 j) / 256) = 10000^(2 j / 128).
    """

    def forward(self, encoding: Tensor) -> Tensor:
        """Map the encoding of the reference boxes to queries.

        Args:
            encoding (Tensor): (B, N, 4 * E), where E is 128 or a multiple;
                sine and cosine of a frequency are neighbours.

        Returns:
            Tensor: (B, N, C).
        """
        step = encoding.shape[-1] // self.layers[0].in_features
        # (B, N, 4 * E) -> (B, N, frequencies, step, 2) -> (B, N, 4 * 128)
        pairs = encoding.unflatten(-1, (-1, step, 2))
        return super().forward(pairs[..., 0, :].flatten(-2))


@MODELS.register_module()
class PublishedDINO(DINO):
    """MMDetection's DINO as published, see the module's description.

    Args:
        *args: Arguments of MMDetection's ``DINO``.
        **kwargs: Keyword arguments of ``DINO``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._register_load_state_dict_pre_hook(self._adapt)

    @staticmethod
    def _adapt(state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        """Let the released files load."""
        adapt_to_model(state_dict, prefix)

    def _init_layers(self) -> None:
        super()._init_layers()
        width = self.decoder.embed_dims
        self.decoder.ref_point_head = _ReferencePointHead(
            2 * width, width, width, 2
        )

    def init_weights(self) -> None:
        """Initialise all parts; content queries are drawn from N(0, 1)."""
        super().init_weights()
        nn.init.normal_(self.query_embedding.weight)


@MODELS.register_module()
class PublishedDINOHead(DINOHead):
    """MMDetection's head of DINO, with the release's clamp at 1e-3.

    Args:
        *args: Arguments of MMDetection's ``DINOHead``.
        train_cfg (dict, optional): Of the detector. With
            ``snip_cfg=dict(type='v3', weight=0.1)`` objects count less that
            are small or large for the image, see :class:`ScaleRange`.
        **kwargs: Keyword arguments of ``DINOHead``.

    Raises:
        ValueError: If ``train_cfg`` has a setting of the release that has no
            effect there and another place here.
    """

    def __init__(
        self, *args: Any, train_cfg: dict | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, train_cfg=train_cfg, **kwargs)
        settings = train_cfg or {}
        if 'fed_loss_cfg' in settings:
            raise ValueError(
                'train_cfg.fed_loss_cfg has no effect in the release; the '
                'federated loss is a loss here: bbox_head.loss_cls=dict('
                "type='m3i_mm.FederatedFocalLoss', num_classes_kept=50, "
                'power=0.5, class_frequency=...)'
            )
        snip = settings.get('snip_cfg')
        self.scale_range = ScaleRange(**snip) if snip else None

    def _get_targets_single(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        gt_instances: Any,
        img_meta: dict,
    ) -> tuple:
        targets = super()._get_targets_single(
            cls_score, bbox_pred, gt_instances, img_meta
        )
        return self._weigh(targets, img_meta)

    def _get_dn_targets_single(
        self,
        gt_instances: Any,
        img_meta: dict,
        dn_meta: dict,
    ) -> tuple:
        targets = super()._get_dn_targets_single(
            gt_instances, img_meta, dn_meta
        )
        return self._weigh(targets, img_meta)

    def _weigh(self, targets: tuple, img_meta: dict) -> tuple:
        """Weigh the queries of objects by their size, in place."""
        if self.scale_range is not None:
            _, label_weights, boxes, box_weights, positive, _ = targets
            weights = self.scale_range.weights(
                boxes[positive], img_meta['img_shape']
            )
            label_weights[positive] *= weights
            box_weights[positive] *= weights[:, None]
        return targets

    def forward(
        self, hidden_states: Tensor, references: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Predict classes and boxes from the queries of every layer.

        Args:
            hidden_states (Tensor): Queries after each of L layers,
                (L, B, N, C).
            references (list[Tensor]): The boxes that each layer starts from,
                normalised (x, y, w, h), each (B, N, 4); one more than layers,
                of which the last is not used.

        Returns:
            tuple[Tensor, Tensor]: Class logits, (L, B, N, classes), and boxes
            as the references, (L, B, N, 4).
        """
        logits, boxes = [], []
        for layer, queries in enumerate(hidden_states):
            start = inverse_sigmoid(references[layer], eps=CLAMP)
            logits.append(self.cls_branches[layer](queries))
            boxes.append((self.reg_branches[layer](queries) + start).sigmoid())
        return torch.stack(logits), torch.stack(boxes)
