"""Shipped downstream configs on one's own data and backbone."""

import json
import shutil

import pytest
import torch
from mmdet.registry import METRICS
from PIL import Image
from toy.downstream import write_detection_set, write_segmentation_set

from m3i_mm.datasets.faults import DataError
from m3i_mm.runs import cli
from m3i_mm.runs.building import build_loader
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.own_data import use_backbone, use_data
from m3i_mm.runs.reading import read_config, shipped_configs

pytestmark = pytest.mark.openmmlab


def shipped(start):
    name = next(n for n in shipped_configs() if n.startswith(start))
    cfg = read_config(name)
    for loader in ('train_dataloader', 'val_dataloader'):
        cfg[loader].update(num_workers=0, batch_size=1)
    return cfg


@pytest.fixture
def coco(tmp_path):
    root = tmp_path / 'coco'
    write_detection_set(root, ['apple', 'pear'])
    (root / 'annotations').mkdir()
    for half in ('train', 'val'):
        shutil.copytree(root / 'images', root / half)
        shutil.copy(
            root / 'instances.json',
            root / f'annotations/instances_{half}.json',
        )
    (root / 'instances.json').unlink()
    shutil.rmtree(root / 'images')
    return root


@pytest.fixture
def maps(tmp_path):
    root = tmp_path / 'maps'
    write_segmentation_set(root / 'all')
    for kind in ('images', 'masks'):
        for half in ('train', 'val'):
            shutil.copytree(root / 'all' / kind, root / kind / half)
    shutil.rmtree(root / 'all')
    (root / 'classes.txt').write_text('other\napple\npear\n')
    return root


@pytest.fixture
def folders(tmp_path, coco):
    root = tmp_path / 'folders'
    for half in ('train', 'val'):
        for name in ('cat', 'dog', 'owl'):
            shutil.copytree(coco / 'train', root / half / name)
    return root


def test_detection(coco):
    cfg = shipped('coco/mask-rcnn_internimage-t')
    assert '2 classes (apple, pear)' in use_data(cfg, str(coco))
    assert cfg.model.roi_head.bbox_head.num_classes == 2
    assert cfg.model.roi_head.mask_head.num_classes == 2
    assert cfg.val_evaluator.ann_file.endswith('instances_val.json')
    assert cfg.val_dataloader.dataset.data_prefix.img == 'val/'
    (sample,) = next(iter(build_loader(cfg)))['data_samples']
    assert len(sample.gt_instances.labels) == 2
    assert len(build_loader(cfg, 'val_dataloader').dataset) == 2


def test_of_the_files_of_coco_the_instances_are_read(coco):
    for half in ('train', 'val'):
        for kind in ('captions', 'boxes', 'person_keypoints'):
            path = coco / f'annotations/{kind}_{half}2017.json'
            path.write_text('{"images": []}')
    cfg = shipped('coco/mask-rcnn_internimage-t')
    assert '2 classes (apple, pear)' in use_data(cfg, str(coco))


@pytest.mark.parametrize(
    ('start', 'metric'),
    [
        ('coco/mask-rcnn_internimage-t', ['bbox', 'segm']),
        ('lvis/dino', 'bbox'),
        ('lvis/mask-rcnn', ['bbox', 'segm']),
        ('openimages/', 'bbox'),
        ('voc/', 'bbox'),
        ('crowdhuman/', 'bbox'),
    ],
)
def test_metrics_of_other_sets_become_those_of_coco(coco, start, metric):
    cfg = shipped(start)
    use_data(cfg, str(coco))
    for settings in (cfg.val_evaluator, cfg.test_evaluator):
        assert settings.metric == metric
        METRICS.build(settings)


def test_federated_losses_get_the_frequencies_of_the_data(coco):
    path = coco / 'annotations/instances_train.json'
    content = json.loads(path.read_text())
    content['annotations'] = [
        entry
        for entry in content['annotations']
        if (entry['category_id'], entry['image_id']) != (2, 1)
    ]
    path.write_text(json.dumps(content))
    cfg = shipped('lvis/dino')
    use_data(cfg, str(coco))
    assert cfg.model.bbox_head.loss_cls.class_frequency == [2, 1]


def test_segmentation(maps):
    cfg = shipped('ade20k/upernet_internimage-t')
    assert '3 classes' in use_data(cfg, str(maps))
    assert cfg.model.decode_head.num_classes == 3
    assert cfg.model.auxiliary_head.num_classes == 3
    loader = build_loader(cfg, 'val_dataloader')
    sample = next(iter(loader))['data_samples'][0]
    # 0 is a class and stays
    assert sample.gt_sem_seg.data.unique().tolist() == [0, 1, 2]
    cfg.val_dataloader.dataset.pipeline = cfg.tta_pipeline
    views = next(iter(build_loader(cfg, 'val_dataloader')))['data_samples']
    for (view,) in views:
        assert view.gt_sem_seg.data.unique().tolist() == [0, 1, 2]


def test_the_folder_names_of_mmsegmentation(maps):
    shutil.move(maps / 'images', maps / 'img_dir')
    shutil.move(maps / 'masks', maps / 'ann_dir')
    cfg = shipped('ade20k/upernet_internimage-t')
    use_data(cfg, str(maps))
    assert len(build_loader(cfg, 'val_dataloader').dataset) == 2


def test_weights_of_classes_follow(maps):
    cfg = shipped('ade20k/mask2former')
    use_data(cfg, str(maps))
    weights = cfg.model.decode_head.loss_cls.class_weight
    assert weights == [1.0, 1.0, 1.0, 0.1]


def test_classification(folders):
    cfg = shipped('internimage/internimage-t')
    assert '3 classes (cat, dog, owl)' in use_data(cfg, str(folders))
    assert cfg.model.head.num_classes == 3
    assert cfg.data_preprocessor.num_classes == 3
    assert cfg.val_evaluator.topk == (1,)
    dataset = build_loader(cfg).dataset
    assert len(dataset) == 6
    assert list(dataset.metainfo['classes']) == ['cat', 'dog', 'owl']


@pytest.mark.parametrize(
    ('start', 'words'),
    [
        ('coco/mask-rcnn_internimage-t', 'no annotations'),
        ('ade20k/upernet_internimage-t', r'classes\.txt is missing'),
        ('internimage/internimage-t', 'train/ and val/ are needed'),
        ('m3i/', 'm3i pretrain takes pictures'),
    ],
)
def test_a_folder_of_another_kind(tmp_path, start, words):
    name = next(n for n in shipped_configs() if n.startswith(start))
    with pytest.raises(ConfigError, match=words):
        use_data(read_config(name), str(tmp_path))


def test_what_is_wrong_with_the_data(coco, maps, folders):
    cfg = shipped('coco/mask-rcnn_internimage-t')
    with pytest.raises(ConfigError, match='no folder'):
        use_data(cfg, str(coco / 'absent'))
    shutil.move(coco / 'train', coco / 'elsewhere')
    with pytest.raises(ConfigError, match='is in none of the folders'):
        use_data(cfg, str(coco))
    path = coco / 'annotations/instances_train.json'
    path.write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match=r'train\.json is no COCO file'):
        use_data(cfg, str(coco))
    shutil.move(folders / 'val/owl', folders / 'val/bat')
    with pytest.raises(ConfigError, match='than the training: bat'):
        use_data(shipped('internimage/internimage-t'), str(folders))
    shutil.rmtree(maps / 'masks/val')
    with pytest.raises(ConfigError, match='a folder val each'):
        use_data(shipped('ade20k/upernet_internimage-t'), str(maps))


def test_the_backbone_of_a_run(tmp_path):
    cfg = shipped('coco/mask-rcnn_internimage-t')
    with pytest.raises(ConfigError, match=r'no backbone-\*\.pth.*publish'):
        use_backbone(cfg, str(tmp_path))
    with pytest.raises(ConfigError, match='no file or folder'):
        use_backbone(cfg, str(tmp_path / 'absent'))
    weights = tmp_path / 'backbone-12345678.pth'
    torch.save({}, weights)
    for run in (tmp_path, weights):
        assert str(weights) in use_backbone(cfg, str(run))
        init = cfg.model.backbone.init_cfg
        assert init == dict(type='Pretrained', checkpoint=str(weights))
    cfg.load_from = 'detector.pth'
    init.new_weights = ['extra']
    assert 'detector.pth is left out' in use_backbone(cfg, str(tmp_path))
    assert cfg.load_from is None
    assert cfg.model.backbone.init_cfg.new_weights == ['extra']


def test_classes_are_told_by_their_names(folders):
    for half in ('train', 'val'):
        for name in ('.ipynb_checkpoints', '@eaDir', '__MACOSX'):
            shutil.copytree(folders / half / 'cat', folders / half / name)
    # the second of three; the pictures of the third keep their number
    shutil.rmtree(folders / 'val/dog')
    cfg = shipped('own_data/resnet18')
    assert '3 classes (cat, dog, owl)' in use_data(cfg, str(folders))
    assert cfg.model.head.num_classes == 3
    for loader, numbers in {
        'train_dataloader': [0, 0, 1, 1, 2, 2],
        'val_dataloader': [0, 0, 2, 2],
    }.items():
        dataset = build_loader(cfg, loader).dataset
        assert dataset.metainfo['classes'] == ('cat', 'dog', 'owl')
        assert dataset.get_gt_labels().tolist() == numbers


def test_overrides_have_the_last_word(folders):
    name = 'own_data/resnet18_1xb32-coslr-20e_own-data'
    key = 'train_dataloader.dataset.indices'
    words = [name, '--data', str(folders), '--cfg-options', f'{key}=2']
    args = cli.train_parser().parse_args(words)
    cfg = cli.load_config(
        args, 'train', lambda cfg: use_data(cfg, args.data) and None
    )
    assert cfg.train_dataloader.dataset.indices == 2
    assert len(build_loader(cfg, num_workers=0).dataset) == 2


def test_folders_without_pictures_are_an_error(folders):
    for path in folders.rglob('*.jpg'):
        path.unlink()
    cfg = shipped('own_data/resnet18')
    use_data(cfg, str(folders))
    with pytest.raises(DataError, match=r'train holds no picture in the'):
        build_loader(cfg)


@pytest.mark.parametrize(
    ('before', 'after', 'words'),
    [
        (b'{"', b'\xef\xbb\xbf{"', 'no COCO file: Unexpected UTF-8 BOM'),
        (b'apple', b'caf\xe9', 'is not in UTF-8'),
        (b'"file_name"', b'"coco_url"', 'no images with a file_name'),
        (b'"name"', b'"title"', 'categories with id and name'),
        (b'"category_id": 1', b'"category_id": 9', 'category_id 9, which'),
        (b'"image_id": 1', b'"image_id": 77', 'image_id 77, which'),
    ],
)
def test_mistakes_in_a_coco_file_are_named(coco, before, after, words):
    path = coco / 'annotations/instances_val.json'
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after, 1))
    cfg = shipped('coco/mask-rcnn_internimage-t')
    with pytest.raises(ConfigError, match=f'instances_val.json.*{words}'):
        use_data(cfg, str(coco))


def test_what_is_wrong_with_label_maps(maps):
    cfg = shipped('ade20k/upernet_internimage-t')
    (maps / 'classes.txt').write_bytes(b'\xef\xbb\xbfother\r\napple\r\npear')
    use_data(cfg, str(maps))
    classes = cfg.train_dataloader.dataset.metainfo.classes
    assert classes == ('other', 'apple', 'pear')
    (maps / 'classes.txt').write_bytes(b'caf\xe9')
    with pytest.raises(ConfigError, match=r'classes\.txt is not in UTF-8'):
        use_data(cfg, str(maps))
    (maps / 'classes.txt').write_text('other\napple\npear')
    for path in list(maps.glob('masks/*/*.png')):
        Image.open(path).save(path.with_suffix('.jpg'))
        path.unlink()
    with pytest.raises(ConfigError, match='label maps in JPEG'):
        use_data(cfg, str(maps))


def test_pictures_of_classes_may_be_webp(folders):
    """MMPretrain looks for some kinds of files only."""
    for path in list(folders.rglob('*.jpg')):
        Image.open(path).save(path.with_suffix('.webp'))
        path.unlink()
    cfg = shipped('internimage/internimage-t')
    use_data(cfg, str(folders))
    assert len(build_loader(cfg).dataset) == 6
