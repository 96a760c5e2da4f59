"""A Faster or Mask R-CNN of MMDetection as a function of images.

The numbers of proposals and detections are fixed, and what there are fewer is
filled up, since runtimes do not like shapes that depend on values.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from .suppression import NOTHING, best, suppress

__all__ = ['ExportedDetector', 'missing_in_detector']

# pairs of proposal and class that take part in the suppression
CANDIDATES = 5000


class ExportedDetector(nn.Module):
    """Detections in pixels of the images that go in.

    Args:
        detector (nn.Module): A ``TwoStageDetector``, see
            :func:`missing_in_detector`.
    """

    # what is compared after an export: of boxes with scores that are equal up
    # to rounding, another one may come first
    verified = (0,)

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.detector = detector
        masks = ('masks',) if detector.roi_head.with_mask else ()
        self.output_names = ('scores', 'boxes', 'labels', *masks)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Detect objects.

        Args:
            images (Tensor): Normalised, ``(B, 3, H, W)``.

        Returns:
            tuple[Tensor, ...]: Scores ``(B, N)``, falling, 0 where there are
            no more objects; boxes ``(B, N, 4)``; labels ``(B, N)``; with a
            mask head probabilities inside the boxes, ``(B, N, h, w)``.
        """
        maps = self.detector.extract_feat(images)
        height, width = images.shape[-2:]
        size = (height, width)
        proposals, valid = self._propose(maps, size)
        scores, boxes, labels = self._classify(maps, proposals, valid, size)
        if not self.detector.roi_head.with_mask:
            return scores, boxes, labels
        return scores, boxes, labels, self._masks(maps, boxes, labels)

    def _propose(
        self, maps: Any, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Compute proposals (B, K, 4), and which of them are some."""
        head, cfg = self.detector.rpn_head, self.detector.test_cfg.rpn
        priors = head.prior_generator.grid_priors(
            [level.shape[-2:] for level in maps], device=maps[0].device
        )
        boxes, scores, levels = [], [], []
        outputs = zip(*head(maps), priors, strict=True)
        for number, (logits, deltas, anchors) in enumerate(outputs):
            values = _by_anchor(logits, head.cls_out_channels)
            values = (
                values.sigmoid()
                if head.use_sigmoid_cls
                else values.softmax(-1)[..., :-1]
            ).squeeze(-1)
            chosen = best(values, cfg.nms_pre)
            deltas = _pick(_by_anchor(deltas, 4), chosen.indices)
            decoded = _decode(
                head.bbox_coder, anchors[chosen.indices], deltas, size
            )
            boxes.append(decoded)
            scores.append(chosen.scores)
            levels.append(torch.full_like(chosen.indices, number))
        candidates, values = torch.cat(boxes, 1), torch.cat(scores, 1)
        width, height = (candidates[..., 2:] - candidates[..., :2]).unbind(-1)
        least = cfg.get('min_bbox_size', -1)
        if least >= 0:
            large = (width > least) & (height > least)
            values = values.where(large, values.new_tensor(NOTHING))
        selected = suppress(
            candidates,
            values,
            torch.cat(levels, 1),
            cfg.nms.iou_threshold,
            cfg.max_per_img,
        )
        return _pick(candidates, selected.indices), selected.scores >= 0

    def _classify(
        self, maps: Any, rois: Tensor, valid: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute scores, boxes and labels of the detections."""
        roi_head, cfg = self.detector.roi_head, self.detector.test_cfg.rcnn
        head = roi_head.bbox_head
        logits, deltas = head(_pool(roi_head.bbox_roi_extractor, maps, rois))
        batch, count = rois.shape[:2]
        classes = head.num_classes
        if head.custom_cls_channels:
            scores = head.loss_cls.get_activation(logits)
        else:
            scores = logits.softmax(-1)
        scores = scores[:, :classes].unflatten(0, (batch, count))
        accepted = (scores > cfg.score_thr) & valid[..., None]
        scores = scores.where(accepted, scores.new_tensor(NOTHING))
        # pairs of proposal and class
        chosen = best(scores.flatten(1), min(CANDIDATES, count * classes))
        labels = chosen.indices % classes
        owner = chosen.indices.div(classes, rounding_mode='floor')
        deltas = deltas.unflatten(0, (batch, count))
        if head.reg_class_agnostic:
            deltas = _pick(deltas, owner)
        else:
            deltas = deltas.unflatten(-1, (classes, 4)).flatten(1, 2)
            deltas = _pick(deltas, chosen.indices)
        boxes = _decode(head.bbox_coder, _pick(rois, owner), deltas, size)
        selected = suppress(
            boxes,
            chosen.scores,
            labels,
            cfg.nms.iou_threshold,
            cfg.max_per_img,
        )
        return (
            selected.scores.clamp(min=0),
            _pick(boxes, selected.indices),
            labels.gather(1, selected.indices),
        )

    def _masks(self, maps: Any, boxes: Tensor, labels: Tensor) -> Tensor:
        """Compute the masks inside boxes (B, N, 4)."""
        roi_head = self.detector.roi_head
        extractor = roi_head.bbox_roi_extractor
        if not roi_head.share_roi_extractor:
            extractor = roi_head.mask_roi_extractor
        logits = roi_head.mask_head(_pool(extractor, maps, boxes))
        masks = logits.sigmoid().unflatten(0, boxes.shape[:2])
        if roi_head.mask_head.class_agnostic:
            return masks[:, :, 0]
        index = labels[..., None, None, None]
        index = index.expand(-1, -1, 1, *masks.shape[-2:])
        return masks.gather(2, index).squeeze(2)


def missing_in_detector(model: Any) -> str | None:
    """Say what of a detector cannot be exported.

    Args:
        model (nn.Module): A detector of MMDetection.

    Returns:
        str | None: A part of a sentence; None if it can.
    """
    from mmdet.models import (
        BBoxHead,
        FCNMaskHead,
        RPNHead,
        SingleRoIExtractor,
        StandardRoIHead,
    )
    from mmdet.models.task_modules import DeltaXYWHBBoxCoder

    roi_head: Any = getattr(model, 'roi_head', None)
    rpn_head: Any = getattr(model, 'rpn_head', None)
    if roi_head is None:
        return 'a dense head'
    if type(rpn_head) is not RPNHead or type(roi_head) is not StandardRoIHead:
        return f'{type(rpn_head).__name__} and {type(roi_head).__name__}'
    parts: list[tuple[Any, type]] = [
        (roi_head.bbox_head, BBoxHead),
        (roi_head.bbox_roi_extractor, SingleRoIExtractor),
        (roi_head.bbox_head.bbox_coder, DeltaXYWHBBoxCoder),
        (rpn_head.bbox_coder, DeltaXYWHBBoxCoder),
    ]
    if roi_head.with_mask:
        parts.append((roi_head.mask_head, FCNMaskHead))
    for part, known in parts:
        if not isinstance(part, known):
            return f'a {type(part).__name__}'
    for cfg in (model.test_cfg.rpn, model.test_cfg.rcnn):
        if cfg.nms.get('type', 'nms') != 'nms':
            return f'{cfg.nms.type} as suppression'
    return None


def _by_anchor(maps: Tensor, channels: int) -> Tensor:
    """Rearrange (B, A * C, H, W) into (B, H * W * A, C)."""
    batch = maps.shape[0]
    return maps.permute(0, 2, 3, 1).reshape(batch, -1, channels)


def _pick(values: Tensor, indices: Tensor) -> Tensor:
    """Take rows (B, K) of values (B, N, C)."""
    return values.gather(
        1, indices[..., None].expand(-1, -1, values.shape[-1])
    )


def _decode(
    coder: Any, boxes: Tensor, deltas: Tensor, size: tuple[int, int]
) -> Tensor:
    """Decode deltas (B, N, 4) of boxes (B, N, 4)."""
    decoded: Tensor = coder.decode(
        boxes.flatten(0, 1), deltas.flatten(0, 1), max_shape=size
    )
    return decoded.view_as(boxes)


def _pool(extractor: Any, maps: Any, boxes: Tensor) -> Tensor:
    """Pool boxes (B, N, 4), each from the map that fits its size."""
    flat = boxes.flatten(0, 1)
    images = torch.arange(boxes.shape[0], device=boxes.device)
    images = images[:, None].expand(boxes.shape[:2]).reshape(-1, 1)
    rois = torch.cat([images.to(flat), flat], 1)
    layers = extractor.roi_layers
    levels = extractor.map_roi_levels(rois, len(layers))
    pooled = [
        roi_align(
            values,
            rois,
            layer.output_size,
            layer.spatial_scale,
            layer.sampling_ratio,
            layer.aligned,
        )
        for values, layer in zip(maps, layers, strict=False)
    ]
    result = pooled[0]
    for number, values in enumerate(pooled[1:], 1):
        result = values.where(levels[:, None, None, None] == number, result)
    return result
