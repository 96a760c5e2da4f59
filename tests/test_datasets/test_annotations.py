"""Annotations that do not fit the config are named before the run."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image
from toy.downstream import write_detection_set, write_segmentation_set

from m3i_mm.datasets import DataError, annotations
from m3i_mm.datasets.annotations import (
    check_annotations,
    check_label_maps,
    check_numbers,
    single_datasets,
)
from m3i_mm.engine.hooks import AnnotationHook

pytestmark = pytest.mark.openmmlab
NAMES = ('cat', 'dog')


@pytest.fixture
def root(tmp_path):
    write_detection_set(tmp_path, NAMES)
    return tmp_path


def detection(root, classes=NAMES, masks=True, **changes):
    init_default_scope('mmdet')
    path = root / 'instances.json'
    content = json.loads(path.read_text())
    for key, change in changes.items():
        change(content[key])
    path.write_text(json.dumps(content))
    load = dict(type='LoadAnnotations', with_bbox=True, with_mask=masks)
    return DATASETS.build(
        dict(
            type='mmdet.CocoDataset',
            data_root=str(root),
            ann_file='instances.json',
            data_prefix=dict(img='images'),
            metainfo=dict(classes=classes),
            pipeline=[load],
        )
    )


class TestDetection:
    def test_good_files_pass(self, root):
        check_annotations(detection(root))
        check_annotations(detection(root, classes=('dog',)))

    @pytest.mark.parametrize('size', [2**22, 20])
    def test_another_name(self, root, size, monkeypatch):
        # categories that do not fit are read with the whole file
        monkeypatch.setattr(annotations, 'CATEGORY_BYTES', size)
        data = detection(root, categories=lambda c: c[0].update(name='Cat'))
        with pytest.raises(
            DataError, match=r"instances\.json has no category 'cat'; .*'Cat'"
        ):
            check_annotations(data)

    def test_another_order(self, root):
        with pytest.raises(
            DataError, match=r'instances\.json .* in the order'
        ):
            check_annotations(detection(root, classes=('dog', 'cat')))

    @pytest.mark.parametrize('value', [None, [], 'gone'])
    def test_an_object_without_mask(self, root, value):
        def change(objects):
            objects[1]['segmentation'] = value
            if value == 'gone':
                del objects[1]['segmentation']

        data = detection(root, annotations=change)
        with pytest.raises(
            DataError, match=r'instances\.json: an object of .*0\.jpg has no'
        ):
            check_annotations(data)
        check_annotations(detection(root, masks=False))

    def test_a_picture_that_is_not_there(self, root):
        (root / 'images/000000000001.jpg').unlink()
        with pytest.raises(DataError, match=r'no file .*0001\.jpg'):
            check_annotations(detection(root))


class TestSegmentation:
    def test_a_map_that_is_not_there(self, tmp_path):
        write_segmentation_set(tmp_path)
        init_default_scope('mmseg')
        data = DATASETS.build(
            dict(
                type='mmseg.BaseSegDataset',
                data_root=str(tmp_path),
                img_suffix='.jpg',
                metainfo=dict(classes=('a', 'b', 'c')),
                data_prefix=dict(img_path='images', seg_map_path='masks'),
                pipeline=[],
            )
        )
        check_annotations(data)
        (tmp_path / 'masks/000000000001.png').unlink()
        with pytest.raises(DataError, match=r'no file .*masks/0+1\.png'):
            check_annotations(data)

    def batch(self, tmp_path, labels, size=(8, 9)):
        """A batch as MMSegmentation packs it, of one picture and its map."""
        init_default_scope('mmseg')
        from mmengine.dataset import Compose

        Image.fromarray(labels).save(tmp_path / 'map.png')
        pipeline = Compose(
            [
                dict(type='mmseg.LoadAnnotations', reduce_zero_label=False),
                dict(type='mmseg.PackSegInputs'),
            ]
        )
        packed = pipeline(
            dict(
                img=np.zeros((*size, 3), np.uint8),
                img_path='a.jpg',
                ori_shape=size,
                seg_map_path=str(tmp_path / 'map.png'),
                seg_fields=[],
                reduce_zero_label=False,
                label_map=None,
            )
        )
        return [packed['inputs']], [packed['data_samples']]

    def test_good_maps_pass(self, tmp_path):
        labels = np.full((8, 9), 255, np.uint8)
        check_label_maps(*self.batch(tmp_path, labels), num_classes=3)
        labels[:2] = np.arange(9) % 3
        check_label_maps(*self.batch(tmp_path, labels), num_classes=3)
        unlabelled = [torch.zeros(3, 4, 4)], [SimpleNamespace()]
        check_label_maps(*unlabelled, num_classes=3)

    @pytest.mark.parametrize(
        ('labels', 'message'),
        [
            (np.full((8, 9), 3), r'map\.png has the label 3, .* 3 classes'),
            (np.zeros((8, 9, 3)), r'map\.png is in colours'),
            (np.zeros((8, 9, 4)), r'map\.png is in colours'),
            (np.zeros((4, 9)), r'map\.png has another size than .*a\.jpg'),
        ],
    )
    def test_others_are_named(self, tmp_path, labels, message):
        batch = self.batch(tmp_path, labels.astype(np.uint8))
        with pytest.raises(DataError, match=message):
            check_label_maps(*batch, num_classes=3)


class TestHook:
    def runner(self, train, val=None):
        def loader(classes):
            data = SimpleNamespace(metainfo=dict(classes=classes))
            return SimpleNamespace(dataset=data)

        return SimpleNamespace(
            train_dataloader=loader(train),
            test_dataloader=loader(train),
            val_loop=val and SimpleNamespace(dataloader=loader(val)),
        )

    def test_training_and_validation(self):
        hook = AnnotationHook()
        hook.before_train(self.runner(['ape', 'bee', 'cat']))
        hook.before_train(self.runner(['ape', 'bee', 'cat'], ['ape', 'bee']))
        with pytest.raises(
            DataError, match="'cat' has the number 1 in the validation set"
        ):
            hook.before_train(
                self.runner(['ape', 'bee', 'cat'], ['ape', 'cat'])
            )

    def test_checkpoint_and_test_set(self):
        hook = AnnotationHook()
        hook.before_test(self.runner(['ape', 'bee']))
        meta = dict(dataset_meta=dict(classes=('bee', 'ape')))
        hook.after_load_checkpoint(None, dict(meta=meta))
        with pytest.raises(DataError, match="'ape' .* 1 in the checkpoint"):
            hook.before_test(self.runner(['ape', 'bee']))

    def test_wrappers_are_looked_through(self):
        parts = [SimpleNamespace(name=name) for name in 'abc']
        joined = SimpleNamespace(datasets=parts[:2])
        repeated = SimpleNamespace(dataset=joined)
        assert list(single_datasets(repeated)) == parts[:2]
        assert list(single_datasets(parts[2])) == parts[2:]

    def test_unrelated_names_pass(self):
        check_numbers(['n01', 'n02'], ['ape', 'bee'], 'one', 'other')
