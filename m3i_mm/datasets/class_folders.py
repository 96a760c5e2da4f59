"""Folders of classes for MMPretrain's classifiers, told by their names.

It needs MMPretrain, so ``m3i_mm.datasets`` does not import it: a config names
it by its full path, ``type='m3i_mm.datasets.class_folders.ClassFolders'``.
"""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence

from mmpretrain.datasets import CustomDataset
from mmpretrain.datasets.custom import get_samples

from m3i_mm.registry import DATASETS

from .faults import DataError

__all__ = ['ClassFolders']


@DATASETS.register_module()
class ClassFolders(CustomDataset):
    """A folder for each of the given classes.

    MMPretrain numbers the folders that it finds, hidden ones too, so a folder
    more or less shifts the labels. Here the names are given; other folders
    are not looked at, and a class without a folder has no pictures.

    Args:
        metainfo (dict): With ``classes``, the names by number.
        **settings: See MMPretrain's ``CustomDataset``.

    Raises:
        DataError: If none of the folders holds a picture.
    """

    CLASSES: Sequence[str]

    def _find_samples(self) -> list[tuple[str, int]]:
        self.folder_to_idx = {
            name: number
            for number, name in enumerate(self.CLASSES)
            if osp.isdir(osp.join(self.img_prefix, name))
        }
        samples, _ = get_samples(
            self.img_prefix, self.folder_to_idx, self.is_valid_file
        )
        if not samples:
            raise DataError(
                f'{self.img_prefix} holds no picture in the folders of '
                f'{len(self.CLASSES)} classes'
            )
        return samples
