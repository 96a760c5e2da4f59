"""Tiny data sets and models for the detection and segmentation configs.

``write_*`` draw two images of odd sizes with rectangles and store them in the
format of a public data set. :func:`shrink` turns a shipped config into one
that trains on them on a CPU in a second, and changes nothing but sizes.
"""

import copy
import functools
import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import numpy as np
from mmengine.config import Config
from mmengine.fileio import load
from PIL import Image

ROOT = Path(__file__).parents[2]
SIZES = ((65, 97), (80, 50))  # height, width
# (left, top, width, height, index of the class)
BOXES = ((3, 5, 30, 25, 0), (20, 22, 24, 36, 1))
FACTOR = 8  # by which lengths in pixels are divided


def write_images(folder, seed=0):
    """Draw the images; returns their file names."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = []
    for index, size in enumerate(SIZES):
        image = rng.integers(0, 60, (*size, 3), dtype=np.uint8)
        for left, top, width, height, label in BOXES:
            image[top : top + height, left : left + width, label] = 220
        names.append(f'{index:012d}.jpg')
        Image.fromarray(image).save(folder / names[-1])
    return names


def _rectangle(left, top, width, height):
    right, bottom = left + width, top + height
    return [left, top, right, top, right, bottom, left, bottom]


def annotations(names, classes, prefix=''):
    """The boxes in COCO format, with the further keys of LVIS."""
    images = [
        dict(
            id=index,
            file_name=name,
            coco_url=f'http://images.cocodataset.org/{prefix}{name}',
            height=size[0],
            width=size[1],
            neg_category_ids=[],
            not_exhaustive_category_ids=[],
        )
        for index, (name, size) in enumerate(zip(names, SIZES, strict=True))
    ]
    objects = [
        dict(
            id=len(BOXES) * image['id'] + index + 1,
            image_id=image['id'],
            category_id=box[4] + 1,
            bbox=list(box[:4]),
            area=box[2] * box[3],
            iscrowd=0,
            segmentation=[_rectangle(*box[:4])],
        )
        for image in images
        for index, box in enumerate(BOXES)
    ]
    categories = [
        dict(
            id=index + 1,
            name=name,
            synset=name,
            synonyms=[name],
            frequency='f',
            image_count=index + 1,
            instance_count=index + 1,
        )
        for index, name in enumerate(classes)
    ]
    return dict(images=images, annotations=objects, categories=categories)


def write_detection_set(root, classes):
    """Write images and ``instances.json``; LVIS reads the same file."""
    root = Path(root)
    names = write_images(root / 'images')
    content = annotations(names, classes, prefix='images/')
    (root / 'instances.json').write_text(json.dumps(content))


def write_voc_set(root, classes):
    """Write the boxes as VOC's XML files, for both years and all splits."""
    for year in (2007, 2012):
        folder = Path(root) / f'VOC{year}'
        names = write_images(folder / 'JPEGImages')
        for part in ('Annotations', 'ImageSets/Main'):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for name, (height, width) in zip(names, SIZES, strict=True):
            objects = ''.join(
                f'<object><name>{classes[label]}</name>'
                f'<difficult>0</difficult><bndbox><xmin>{left}</xmin>'
                f'<ymin>{top}</ymin><xmax>{left + w}</xmax>'
                f'<ymax>{top + h}</ymax></bndbox></object>'
                for left, top, w, h, label in BOXES
            )
            size = f'<width>{width}</width><height>{height}</height>'
            (folder / 'Annotations' / f'{Path(name).stem}.xml').write_text(
                f'<annotation><size>{size}</size>{objects}</annotation>'
            )
        stems = ''.join(f'{Path(name).stem}\n' for name in names)
        for split in ('trainval', 'test'):
            (folder / 'ImageSets/Main' / f'{split}.txt').write_text(stems)


def write_crowd_set(root):
    """Write the boxes as persons, in CrowdHuman's lines of JSON."""
    root = Path(root)
    names = write_images(root / 'images')
    lines = [
        dict(
            ID=Path(name).stem,
            gtboxes=[
                dict(tag='person', fbox=box[:4], hbox=box[:4], vbox=box[:4])
                for box in BOXES
            ],
        )
        for name in names
    ]
    text = '\n'.join(json.dumps(line) for line in lines)
    for split in ('train', 'val'):
        (root / f'{split}.odgt').write_text(text)


def write_open_images_set(root, num_classes=601):
    """Write the boxes in the tables of Open Images."""
    root = Path(root)
    names = write_images(root / 'images')
    ids = [f'/m/{number:03d}' for number in range(num_classes)]
    (root / 'labels.csv').write_text(
        ''.join(f'{label},class {label}\n' for label in ids)
    )
    (root / 'hierarchy.json').write_text(
        json.dumps(
            dict(
                LabelName='/m/root',
                Subcategory=[dict(LabelName=label) for label in ids],
            )
        )
    )
    flags = ('IsOccluded', 'IsTruncated', 'IsGroupOf', 'IsDepiction')
    header = ('ImageID', 'Source', 'LabelName', 'Confidence')
    lines = [(*header, 'XMin', 'XMax', 'YMin', 'YMax', *flags, 'IsInside')]
    verified = [header]
    for name, (height, width) in zip(names, SIZES, strict=True):
        for left, top, w, h, label in BOXES:
            image = (Path(name).stem, 'xclick', ids[label], '1')
            xs = (left / width, (left + w) / width)
            ys = (top / height, (top + h) / height)
            lines.append((*image, *xs, *ys, 0, 0, 0, 0, 0))
            verified.append(image)
    for file, rows in (('boxes.csv', lines), ('verified.csv', verified)):
        text = '\n'.join(','.join(map(str, row)) for row in rows)
        (root / file).write_text(f'{text}\n')
    metas = [
        dict(filename=f'images/{name}', ori_shape=(*size, 3))
        for name, size in zip(names, SIZES, strict=True)
    ]
    (root / 'metas.pkl').write_bytes(pickle.dumps(metas))


def write_segmentation_set(root):
    """Write ``images`` and ``masks`` with labels 0 (other), 1 and 2."""
    root = Path(root)
    names = write_images(root / 'images')
    (root / 'masks').mkdir(exist_ok=True)
    for name, size in zip(names, SIZES, strict=True):
        mask = np.zeros(size, dtype=np.uint8)
        for left, top, width, height, label in BOXES:
            mask[top : top + height, left : left + width] = label + 1
        path = root / 'masks' / name.replace('.jpg', '.png')
        Image.fromarray(mask).save(path)
    stems = [Path(name).stem for name in names]
    (root / 'images.txt').write_text('\n'.join(stems))


def _smaller(value):
    if isinstance(value, (list, tuple)):
        return type(value)(_smaller(v) for v in value)
    return max(value // FACTOR, 16)


LENGTHS = {
    'scale',
    'scales',
    'crop_size',
    'size',
    'stride',
    'img_size',
    'image_size',
}
# proposals, samples and detections per image, of which 20 will do
COUNTS = {'num', 'nms_pre', 'max_per_img'}
WIDTHS = {
    'feedforward_channels': 32,
    'fc_out_channels': 32,
    'conv_out_channels': 16,
    'num_dn_queries': 4,
    'min_size': 1,
}


def _shrink_numbers(node):
    """Divide image sizes and narrow Transformers, anywhere in a config."""
    if isinstance(node, (list, tuple)):
        for child in node:
            _shrink_numbers(child)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        length = key in LENGTHS and value is not None
        if length or (key == 'pad_size_divisor' and value > 32):
            node[key] = _smaller(value)
        elif key in COUNTS and isinstance(value, int):
            node[key] = min(value, 20)
        elif key in WIDTHS:
            node[key] = WIDTHS[key]
        else:
            _shrink_numbers(value)
    if node.get('type') == 'SyncBN':
        node['type'] = 'BN'


def _shrink_internimage(backbone):
    """Four stages of one block; returns the channels of the stages."""
    from m3i_mm.models.internimage.archs import ARCHS

    arch = replace(
        ARCHS[backbone.arch],
        channels=16,
        depths=(1, 1, 1, 1),
        groups=(1, 2, 4, 8),
        level2_post_norm_block_ids=(0,)
        if ARCHS[backbone.arch].level2_post_norm_block_ids
        else (),
    )
    backbone.arch = asdict(arch)
    return [16, 32, 64, 128]


def _shrink_vit(backbone):
    backbone.arch = dict(
        embed_dims=32, num_layers=4, num_heads=2, feedforward_channels=64
    )
    if 'window_size' in backbone:
        backbone.arch.global_attn_indexes = (1, 3)
        backbone.window_size = 2
    else:
        backbone.out_indices = (0, 1, 2, 3)


def _narrow_head(model, channels):
    """Fit neck and heads to the channels of the small backbone."""
    neck, head = model.get('neck'), model.get('decode_head')
    taps = model.backbone.get('out_indices', (0, 1, 2, 3))
    if neck is not None and isinstance(neck.get('in_channels'), list):
        neck.in_channels = [channels[index] for index in taps]
    if head is not None:
        head.in_channels = channels
    if 'auxiliary_head' in model:
        model.auxiliary_head.in_channels = channels[2]
    if head is not None and 'num_queries' in head:
        head.update(num_queries=5, feat_channels=32, out_channels=32)
        head.train_cfg.num_points = 20
        for parts in (head.pixel_decoder.encoder, head.transformer_decoder):
            parts.num_layers = 1
            for layer in parts.layer_cfg.values():
                layer.embed_dims = 32
                if 'num_heads' in layer:
                    layer.num_heads = 2
        head.pixel_decoder.positional_encoding.num_feats = 16
        head.positional_encoding.num_feats = 16
        head.pixel_decoder.norm_cfg.num_groups = 4
    if 'num_queries' in model:
        model.num_queries = 10
        model.encoder.num_layers = model.decoder.num_layers = 2
        model.test_cfg.max_per_img = 5


def shrink(cfg):
    """Reduce the sizes of a config in place, and return it."""
    model = cfg.model
    for part in (
        model,
        cfg.train_dataloader,
        cfg.val_dataloader,
        cfg.get('tta_pipeline'),
    ):
        _shrink_numbers(part)
    if 'vit' in model.backbone.type.lower():
        _shrink_vit(model.backbone)
        if model.get('decode_head') is not None:
            model.neck.embed_dim = 32
            _narrow_head(model, [32, 32, 32, 32])
        else:
            model.neck.in_channels = 32
    else:
        _narrow_head(model, _shrink_internimage(model.backbone))
    model.backbone.init_cfg = None
    if 'rpn' in (model.get('train_cfg') or {}):
        # small images have few anchors that do not reach over the border
        model.train_cfg.rpn.allowed_border = -1
    cfg.load_from = None
    return cfg


def _leaves(dataset):
    if 'dataset' in dataset:
        return _leaves(dataset.dataset)
    if 'datasets' in dataset:
        return [leaf for part in dataset.datasets for leaf in _leaves(part)]
    return [dataset]


def _use_detection_set(dataset, root):
    dataset.data_root = str(root)
    if dataset.type == 'VOCDataset':
        year = 2012 if '2012' in dataset.ann_file else 2007
        dataset.data_prefix = dict(sub_data_root=f'VOC{year}/')
    elif dataset.type == 'OpenImagesDataset':
        dataset.update(
            ann_file='boxes.csv',
            data_prefix=dict(img='images/'),
            label_file='labels.csv',
            hierarchy_file='hierarchy.json',
            meta_file='metas.pkl',
        )
        if 'image_level_ann_file' in dataset:
            dataset.image_level_ann_file = 'verified.csv'
    elif dataset.type == 'CrowdHumanDataset':
        split = 'val' if dataset.get('test_mode') else 'train'
        dataset.ann_file = f'{split}.odgt'
        dataset.data_prefix = dict(img='images')
    else:
        lvis = dataset.type.startswith('LVIS')
        dataset.ann_file = 'instances.json'
        dataset.data_prefix = dict(img='' if lvis else 'images')


def _use_segmentation_set(dataset, root):
    dataset.data_root = str(root)
    dataset.data_prefix = dict(img_path='images', seg_map_path='masks')
    dataset.ann_file = ''
    dataset.img_suffix, dataset.seg_map_suffix = '.jpg', '.png'
    if dataset.type.startswith('PascalContext'):
        # whose class fixes the suffixes, and wants a list of images
        del dataset['img_suffix'], dataset['seg_map_suffix']
        dataset.ann_file = 'images.txt'


def use_data(cfg, root):
    """Point the data loaders and evaluators of a config to a tiny set."""
    detection = cfg.default_scope == 'mmdet'
    use = _use_detection_set if detection else _use_segmentation_set
    for split in ('train', 'val'):
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        for leaf in _leaves(loader.dataset):
            use(leaf, root)
    cfg.val_dataloader.batch_size = 1
    cfg.test_dataloader = cfg.val_dataloader
    if 'ann_file' in cfg.val_evaluator:
        crowd = cfg.val_evaluator.type == 'CrowdHumanMetric'
        name = 'val.odgt' if crowd else 'instances.json'
        cfg.val_evaluator.ann_file = f'{root}/{name}'
        cfg.test_evaluator = cfg.val_evaluator
    if detection:
        _use_frequencies(cfg.model, f'{root}/instances.json')
    return cfg


def _use_frequencies(node, path):
    if isinstance(node, (list, tuple)):
        for child in node:
            _use_frequencies(child, path)
    if isinstance(node, dict):
        for key, value in node.items():
            if key == 'class_frequency':
                node[key] = path
            _use_frequencies(value, path)


@functools.cache
def _read_metafile(path):
    return load(path)


@functools.cache
def _read(name):
    # for each `mmdet::` MMEngine reads all metafiles of MMDetection again
    with mock.patch('mmengine.config.utils.load', _read_metafile):
        return Config.fromfile(ROOT / 'configs' / name)


def read_config(name):
    """Read a shipped config by its path below ``configs/``."""
    return copy.deepcopy(_read(name))
