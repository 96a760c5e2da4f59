"""A segmentation data set of images and label maps."""

from typing import Any

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class FruitSegmentation(BaseSegDataset):
    """Maps of fruits; label 0 is background and a class like the others.

    Args:
        **kwargs: Arguments of MMSegmentation's ``BaseSegDataset``.
    """

    METAINFO = {
        'classes': ('background', 'apple', 'pear'),
        'palette': [[0, 0, 0], [220, 20, 60], [119, 160, 32]],
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            img_suffix='.jpg',
            seg_map_suffix='.png',
            reduce_zero_label=False,
            **kwargs,
        )
