"""Tiny data sets and models for the detection and segmentation configs.

``write_*`` draw two images of odd sizes with rectangles and store them in the
format of a public data set. :func:`shrink` turns a shipped config into one
that trains on them on a CPU in a second, and changes nothing but sizes.
"""

import copy
import functools
import json
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
        if key in LENGTHS and value is not None:
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
    for part in (model, cfg.train_dataloader, cfg.val_dataloader):
        _shrink_numbers(part)
    if 'vit' in model.backbone.type.lower() or (
        'VisionTransformer' in model.backbone.type
    ):
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


def _leaf(dataset):
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


def use_data(cfg, root):
    """Point the data loaders and evaluators of a config to a tiny set."""
    detection = cfg.default_scope == 'mmdet'
    for split in ('train', 'val'):
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        dataset = _leaf(loader.dataset)
        dataset.data_root = str(root)
        if not detection:
            dataset.data_prefix = dict(img_path='images', seg_map_path='masks')
            if dataset.type == 'COCOStuffDataset':
                dataset.seg_map_suffix = '.png'
        else:
            dataset.ann_file = 'instances.json'
            lvis = dataset.type.startswith('LVIS')
            dataset.data_prefix = dict(img='' if lvis else 'images')
    cfg.val_dataloader.batch_size = 1
    cfg.test_dataloader = cfg.val_dataloader
    if detection:
        cfg.val_evaluator.ann_file = f'{root}/instances.json'
        cfg.test_evaluator = cfg.val_evaluator
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
