"""iNaturalist 2018, which MMPretrain lacks, with time and place of pictures.

It needs MMPretrain, so ``m3i_mm.datasets`` does not import it: a config names
it by its full path, ``type='m3i_mm.datasets.inaturalist.INaturalist2018'``.
"""

from __future__ import annotations

import math
import os.path as osp
import re
from typing import Any

from mmengine.fileio import load
from mmpretrain.datasets import BaseDataset

from m3i_mm.registry import DATASETS

from .faults import DataError

__all__ = ['INaturalist2018', 'encode_date', 'encode_place']

UNKNOWN_TIME, UNKNOWN_PLACE = (0.0,) * 4, (0.0,) * 3


def encode_date(date: str | None) -> tuple[float, ...]:
    """Put the month of a date on a circle.

    Args:
        date (str, optional): ``'2014-07-25'``, possibly with a time after it.

    Returns:
        tuple[float, ...]: Sine and cosine of the month, then two zeros for
        the hour, which the data set does not have. All are zero if the date
        is not known.
    """
    match = re.match(r'\d+-(\d+)-\d+', (date or '').strip())
    if match is None:
        return UNKNOWN_TIME
    angle = 2 * math.pi * int(match[1]) / 12
    return math.sin(angle), math.cos(angle), 0.0, 0.0


def encode_place(
    latitude: float | None, longitude: float | None
) -> tuple[float, ...]:
    """Put a place on the unit sphere.

    Args:
        latitude (float, optional): In degrees.
        longitude (float, optional): In degrees.

    Returns:
        tuple[float, ...]: x, y, z; zeros if the place is not known.
    """
    # 0 counts as unknown too: the released weights were trained so
    if not latitude or not longitude:
        return UNKNOWN_PLACE
    phi, theta = math.radians(latitude), math.radians(longitude)
    return (
        math.cos(phi) * math.cos(theta),
        math.cos(phi) * math.sin(theta),
        math.sin(phi),
    )


@DATASETS.register_module()
class INaturalist2018(BaseDataset):
    """8142 species, with the time and place of each picture.

    A sample has ``img_path``, ``gt_label``, ``time`` of 4 values and
    ``place`` of 3 values.

    Args:
        data_root (str): Folder of the data set.
        ann_file (str): Annotations below it, e.g. ``'train2018.json'``.
        locations_file (str): Dates and places of the same pictures in the
            same order, e.g. ``'train2018_locations.json'``.
        **kwargs: Arguments of MMPretrain's ``BaseDataset``.

    Raises:
        DataError: If a file is not in the format of iNaturalist, or the two
            are of different numbers of pictures.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        locations_file: str,
        **kwargs: Any,
    ) -> None:
        self.locations_file = osp.join(data_root, locations_file)
        super().__init__(ann_file=ann_file, data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read both files.

        Returns:
            list[dict]: A sample for each picture.
        """
        content, known = load(self.ann_file), load(self.locations_file)
        try:
            images, objects = content['images'], content['annotations']
            categories = content['categories']
        except (KeyError, TypeError) as error:
            raise DataError(
                f'{self.ann_file} is not in the format of iNaturalist: it '
                'needs images, annotations and categories'
            ) from error
        if not len(images) == len(objects) == len(known):
            raise DataError(
                f'{self.ann_file} has {len(images)} pictures and '
                f'{len(objects)} labels, {self.locations_file} '
                f'{len(known)} places: these files do not belong together'
            )
        self._metainfo['classes'] = tuple(str(c['name']) for c in categories)
        labels = {c['id']: label for label, c in enumerate(categories)}
        return [
            dict(
                img_path=osp.join(self.data_root, image['file_name']),
                gt_label=labels[entry['category_id']],
                time=encode_date(facts['date']),
                place=encode_place(facts['lat'], facts['lon']),
            )
            for image, entry, facts in zip(images, objects, known, strict=True)
        ]
