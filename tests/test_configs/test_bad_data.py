"""Data that a shipped config cannot use ends a command in one line."""

import json

import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from PIL import Image
from toy.downstream import (
    read_config,
    shrink,
    use_data,
    write_detection_set,
    write_segmentation_set,
)

from m3i_mm.runs import cli

pytestmark = pytest.mark.openmmlab

MASK_RCNN = 'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py'
UPERNET = 'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py'


@pytest.fixture
def coco(tmp_path):
    write_detection_set(tmp_path, CocoDataset.METAINFO['classes'])
    return tmp_path


def rewrite(root, change):
    path = root / 'instances.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def fails(name, root):
    """The one line that a training ends with."""
    cfg = use_data(shrink(read_config(name)), root)
    cfg.experiment_name = root.name
    cfg.dump(root / 'small.py')
    words = [str(root / 'small.py'), '--work-dir', str(root / 'work')]
    with pytest.raises(SystemExit) as stop:
        cli.main_train(words)
    message = str(stop.value)
    assert message.startswith('error: ')
    assert '\n' not in message
    return message


def test_other_names_of_classes(coco):
    def change(content):
        content['categories'][16]['name'] = 'hound'

    rewrite(coco, change)
    message = fails(MASK_RCNN, coco)
    assert "instances.json has no category 'dog'" in message


def test_another_order_of_classes(coco):
    rewrite(coco, lambda content: content['categories'].reverse())
    message = fails(MASK_RCNN, coco)
    assert 'instances.json has the categories in the order' in message


def test_a_mask_head_without_masks(coco):
    def change(content):
        for entry in content['annotations']:
            entry['segmentation'] = []

    rewrite(coco, change)
    message = fails(MASK_RCNN, coco)
    assert 'has no segmentation' in message
    assert 'use a detector without masks' in message


def test_a_label_map_with_more_labels_than_classes(tmp_path):
    write_segmentation_set(tmp_path)
    path = tmp_path / 'masks/000000000001.png'
    labels = np.array(Image.open(path))
    labels[:20] = 151  # ADE20K has 1 to 150, and 0 for none
    Image.fromarray(labels).save(path)
    message = fails(UPERNET, tmp_path)
    assert f'{path} has the label 150' in message
    assert '0 to 149, and 255' in message
