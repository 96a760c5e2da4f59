"""A detection data set in COCO format with classes of its own."""

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS


@DATASETS.register_module()
class FruitDetection(CocoDataset):
    """Boxes and masks of fruits."""

    METAINFO = {
        'classes': ('apple', 'pear'),
        'palette': [(220, 20, 60), (119, 160, 32)],
    }
