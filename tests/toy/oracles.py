"""Models that answer with the ground truth, to see what a metric makes of it.

A config that names this module in ``custom_imports`` can use them.
"""

import torch
from mmdet.registry import MODELS as DETECTORS
from mmengine.model import BaseModel
from mmengine.structures import InstanceData, PixelData
from mmseg.registry import MODELS as SEGMENTORS


class _Oracle(BaseModel):
    def __init__(self, wrong=False, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.wrong = wrong

    def forward(self, inputs, data_samples, mode):
        assert mode == 'predict'
        return [self.answer(sample) for sample in data_samples]


@DETECTORS.register_module()
class DetectionOracle(_Oracle):
    """Boxes and masks of the annotations; ``wrong`` shifts the labels."""

    def answer(self, sample):
        truth = sample.gt_instances
        count = len(truth.labels)
        boxes = truth.bboxes
        sample.pred_instances = InstanceData(
            bboxes=getattr(boxes, 'tensor', boxes),
            labels=truth.labels + int(self.wrong),
            scores=torch.ones(count),
        )
        if 'masks' in truth:
            masks = truth.masks.to_tensor(torch.bool, 'cpu')
            sample.pred_instances.masks = masks
        return sample


@SEGMENTORS.register_module()
class SegmentationOracle(_Oracle):
    """The annotated map; ``wrong`` makes everything one class."""

    def answer(self, sample):
        truth = sample.gt_sem_seg.data
        if self.wrong:
            truth = torch.zeros_like(truth)
        sample.pred_sem_seg = PixelData(data=truth)
        return sample
