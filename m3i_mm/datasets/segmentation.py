"""Data sets of semantic segmentation that MMSegmentation lacks.

They need MMSegmentation, so ``m3i_mm.datasets`` does not import them: a config
names them by their full path, ``type='m3i_mm.datasets.segmentation.X'``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.datasets import (
    ADE20KDataset,
    BaseSegDataset,
    CityscapesDataset,
    MapillaryDataset_v1,
)

from m3i_mm.registry import DATASETS

__all__ = ['MapillaryAsCityscapes', 'NYUDepthV2Dataset']

IGNORED = 255

NYU_CLASSES = (
    'wall',
    'floor',
    'cabinet',
    'bed',
    'chair',
    'sofa',
    'table',
    'door',
    'window',
    'bookshelf',
    'picture',
    'counter',
    'blinds',
    'desk',
    'shelves',
    'curtain',
    'dresser',
    'pillow',
    'mirror',
    'floor mat',
    'clothes',
    'ceiling',
    'books',
    'refridgerator',
    'television',
    'paper',
    'towel',
    'shower curtain',
    'box',
    'whiteboard',
    'person',
    'night stand',
    'toilet',
    'sink',
    'lamp',
    'bathtub',
    'bag',
    'otherstructure',
    'otherfurniture',
    'otherprop',
)

# class of Cityscapes -> classes of Mapillary Vistas v1.2
FROM_MAPILLARY = {
    'road': ('Road', 'Lane Marking - General', 'Manhole'),
    'sidewalk': ('Curb', 'Sidewalk'),
    'building': ('Building',),
    'wall': ('Wall',),
    'fence': ('Fence',),
    'pole': ('Pole', 'Utility Pole'),
    'traffic light': ('Traffic Light',),
    'traffic sign': ('Traffic Sign (Front)',),
    'vegetation': ('Vegetation',),
    'terrain': ('Terrain',),
    'sky': ('Sky',),
    'person': ('Person',),
    'rider': ('Bicyclist', 'Motorcyclist', 'Other Rider'),
    'car': ('Car',),
    'truck': ('Truck',),
    'bus': ('Bus',),
    'train': ('On Rails',),
    'motorcycle': ('Motorcycle',),
    'bicycle': ('Bicycle',),
}


@DATASETS.register_module()
class NYUDepthV2Dataset(BaseSegDataset):
    """Labels of NYU Depth V2: 40 classes indoors.

    MMSegmentation's ``NYUDataset`` has the depths of the same images. A label
    map holds 0 for unlabelled pixels and 1 to 40 for the classes.

    Args:
        img_suffix (str): Suffix of the images.
        seg_map_suffix (str): Suffix of the label maps.
        reduce_zero_label (bool): Whether label 0 is ignored and the others
            count from 0.
        **kwargs: Arguments of MMSegmentation's ``BaseSegDataset``.
    """

    METAINFO = dict(
        classes=NYU_CLASSES,
        palette=ADE20KDataset.METAINFO['palette'][: len(NYU_CLASSES)],
    )

    def __init__(
        self,
        img_suffix: str = '.png',
        seg_map_suffix: str = '.png',
        reduce_zero_label: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            reduce_zero_label=reduce_zero_label,
            **kwargs,
        )


@DATASETS.register_module()
class MapillaryAsCityscapes(BaseSegDataset):
    """Mapillary Vistas v1.2 with the 19 classes of Cityscapes.

    A label map holds Mapillary's 66 classes; those without a counterpart are
    ignored. InternImage's models for Cityscapes are first trained so.

    Args:
        img_suffix (str): Suffix of the images.
        seg_map_suffix (str): Suffix of the label maps.
        **kwargs: Arguments of MMSegmentation's ``BaseSegDataset``.
    """

    METAINFO = dict(
        classes=CityscapesDataset.METAINFO['classes'],
        palette=CityscapesDataset.METAINFO['palette'],
    )

    def __init__(
        self,
        img_suffix: str = '.jpg',
        seg_map_suffix: str = '.png',
        **kwargs: Any,
    ) -> None:
        super().__init__(
            img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs
        )

    @classmethod
    def get_label_map(
        cls, new_classes: Sequence | None = None
    ) -> dict[int, int]:
        """Return the label of Cityscapes for each label of Mapillary.

        Args:
            new_classes (Sequence, optional): Unused, part of MMSegmentation's
                interface.

        Returns:
            dict[int, int]: 255 for the classes without a counterpart.
        """
        label_of = {
            name: label
            for label, target in enumerate(cls.METAINFO['classes'])
            for name in FROM_MAPILLARY[target]
        }
        return {
            label: label_of.get(name, IGNORED)
            for label, name in enumerate(
                MapillaryDataset_v1.METAINFO['classes']
            )
        }
