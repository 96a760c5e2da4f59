import json

import pytest

from m3i_mm.datasets.faults import DataError
from m3i_mm.datasets.inaturalist import (
    INaturalist2018,
    encode_date,
    encode_place,
)

pytestmark = pytest.mark.openmmlab


def write(folder, places):
    (folder / 'train.json').write_text(
        json.dumps(
            dict(
                images=[dict(id=1, file_name='a.jpg')],
                annotations=[dict(image_id=1, category_id=5)],
                categories=[dict(id=3, name='oak'), dict(id=5, name='elm')],
            )
        )
    )
    (folder / 'places.json').write_text(json.dumps(places))
    return INaturalist2018(str(folder), 'train.json', 'places.json')


def test_pictures_have_label_time_and_place(tmp_path):
    facts = dict(date='2017-06-01 10:00:00', lat=48.0, lon=16.0)
    dataset = write(tmp_path, [facts])
    sample = dataset.get_data_info(0)
    assert dataset.metainfo['classes'] == ('oak', 'elm')
    assert sample['gt_label'] == 1
    assert sample['img_path'] == str(tmp_path / 'a.jpg')
    assert list(sample['time']) == list(encode_date(facts['date']))
    assert list(sample['place']) == list(encode_place(48.0, 16.0))
    assert len(sample['time']) == 4
    assert len(sample['place']) == 3


def test_files_that_do_not_belong_together(tmp_path):
    with pytest.raises(DataError, match='1 labels.*0 places: these files do'):
        write(tmp_path, [])
