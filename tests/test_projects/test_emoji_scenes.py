"""Scenes of emoji: exact masks, formats, and splits that share nothing."""

import io
import json

import numpy as np
import pytest
from lvis import LVIS
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from m3i_mm.datasets.converters.shards import to_json, write_shard
from projects.emoji.scenes import SceneSettings, generate_scenes
from projects.emoji.scenes.backgrounds import PHOTOGRAPHS, read_photograph
from projects.emoji.scenes.compose import MIN_VISIBLE, compose_scene
from projects.emoji.scenes.cutouts import Cutout, read_cutouts
from projects.emoji.scenes.formats import (
    AnnotationWriter,
    caption,
    encode_object,
    semantic_map,
)
from projects.emoji.scenes.generate import long_tail

SUBGROUPS = 3
SETTINGS = SceneSettings(train=8, val=5, size=96)


def sample(concept, vendor, heldout):
    picture = Image.new('RGBA', (24, 24))
    color = (40 * concept, 255 - 40 * concept, 0 if vendor == 'a' else 255)
    picture.paste(Image.new('RGBA', (16, 16), (*color, 255)), (4, 4))
    buffer = io.BytesIO()
    picture.save(buffer, 'WEBP', lossless=True)
    fields = {
        'name': f'thing {concept}',
        'group_id': concept % 2,
        'subgroup_id': concept % SUBGROUPS,
        'vendor': vendor,
        'family': f'family {concept}',
        'heldout_family': heldout,
    }
    return {
        '__key__': f'{concept}-{vendor}',
        'webp': buffer.getvalue(),
        'json': to_json(fields),
    }


@pytest.fixture(scope='module')
def emoji(tmp_path_factory):
    folder = tmp_path_factory.mktemp('emoji')
    meta = {
        'groups': ['food', 'tools'],
        'subgroups': ['fruit', 'hammer', 'saw'],
        'heldout_vendor': 'b',
    }
    (folder / 'meta.json').write_text(json.dumps(meta))
    train = [sample(i, 'a', False) for i in range(5)]
    val = [sample(i, 'b', i == 5) for i in range(6)] + [sample(5, 'a', True)]
    write_shard(folder / 'train-000.tar.gz', train)
    write_shard(folder / 'val-000.tar.gz', val)
    return folder


@pytest.fixture(scope='module')
def scenes(emoji, tmp_path_factory):
    folder = tmp_path_factory.mktemp('scenes')
    generate_scenes(emoji, folder, SETTINGS)
    return folder


def square(color=(255, 0, 0), subgroup=0, group=0, name='square'):
    picture = Image.new('RGBA', (32, 32), (*color, 255))
    return Cutout(picture, name, group, subgroup, 'a', name)


def compose(seed=0, count=8):
    cutouts = [square(subgroup=i % SUBGROUPS) for i in range(count)]
    photograph = Image.new('RGB', (96, 96), (0, 0, 255))
    rng = np.random.default_rng(seed)
    return compose_scene(photograph, 'the sea', cutouts, rng)


def test_masks_are_the_pixels_of_the_objects():
    cutouts = [square(), square()]
    photograph = Image.new('RGB', (96, 96), (0, 0, 255))
    scene = compose_scene(
        photograph, 'the sea', cutouts, np.random.default_rng(3)
    )
    shown = np.zeros((96, 96), bool)
    for placed in scene.objects:
        assert not (shown & placed.mask).any()
        shown |= placed.mask
    pixels = np.asarray(scene.image).astype(int)
    red = pixels[..., 0] > pixels[..., 2]
    certain = ~scene.uncertain
    np.testing.assert_array_equal(shown[certain], red[certain])


def test_covered_objects_stay_visible():
    for seed in range(5):
        alone = [p.mask.sum() for p in compose(seed, count=1).objects]
        scene = compose(seed)
        assert scene.objects[0].mask.sum() >= MIN_VISIBLE * alone[0]


def test_scenes_do_occlude():
    alone = compose(0, count=1).objects[0].mask.sum()
    covered = [compose(0, n).objects[0].mask.sum() for n in (4, 8, 12, 16)]
    assert min(covered) < alone


def test_encoded_mask_decodes_to_the_same_pixels():
    placed = compose().objects[-1]
    entry = encode_object(placed)
    rle = entry['segmentation']
    np.testing.assert_array_equal(coco_mask.decode(rle), placed.mask)
    rows, columns = np.nonzero(placed.mask)
    assert entry['bbox'] == [
        columns.min(),
        rows.min(),
        columns.max() - columns.min() + 1,
        rows.max() - rows.min() + 1,
    ]
    assert entry['area'] == placed.mask.sum()


def test_semantic_map_counts_from_one_for_reduce_zero_label():
    scene = compose()
    labels = semantic_map(scene)
    assert set(np.unique(labels)) <= {0, 1, 2}
    assert (labels[scene.uncertain] == 0).all()
    for placed in scene.objects:
        assert (labels[placed.mask & ~scene.uncertain] == 2).all()


def test_caption_names_each_thing_once():
    names = [p.cutout.name for p in compose().objects]
    assert len(names) > 1
    assert caption(compose()) == 'square in front of the sea'


def test_same_seed_same_files(emoji, scenes, tmp_path):
    generate_scenes(emoji, tmp_path, SETTINGS)
    files = [p.relative_to(scenes) for p in scenes.rglob('*') if p.is_file()]
    assert len(files) == 2 * (8 + 5) + 6 + 1
    for file in files:
        assert (tmp_path / file).read_bytes() == (scenes / file).read_bytes()


def test_coco_files_load_and_agree_with_the_semantic_maps(scenes):
    coco = COCO(scenes / 'annotations/instances_val.json')
    for image_id, info in coco.imgs.items():
        stem = info['file_name'].removesuffix('.jpg')
        labels = np.asarray(Image.open(scenes / f'semantic/val/{stem}.png'))
        assert (scenes / f'images/val/{info["file_name"]}').is_file()
        for annotation in coco.loadAnns(coco.getAnnIds(image_id)):
            inside = labels[coco.annToMask(annotation).astype(bool)]
            group = annotation['category_id'] - 1
            assert set(inside) <= {0, 2 + group}
    captions = COCO(scenes / 'annotations/captions_val.json')
    assert len(captions.anns) == 5


def test_lvis_files_follow_the_format(scenes):
    coco = COCO(scenes / 'annotations/instances_train.json')
    lvis = LVIS(str(scenes / 'annotations/lvis_train.json'))
    assert len(lvis.cats) == SUBGROUPS
    for image_id, info in lvis.imgs.items():
        assert info['coco_url'].endswith(f'train/{image_id:06d}.jpg')
        annotations = lvis.load_anns(lvis.get_ann_ids([image_id]))
        present = {a['category_id'] for a in annotations}
        assert present.isdisjoint(info['neg_category_ids'])
        missing = len(coco.getAnnIds(image_id)) - len(annotations)
        assert (missing > 0) == bool(info['not_exhaustive_category_ids'])
    for category in lvis.cats.values():
        # 8 training scenes: every category is rare
        assert category['frequency'] == 'r'


def test_frequency_classes_are_those_of_training():
    writer = AnnotationWriter('val', ['food'], ['fruit', 'nut', 'meat'])
    counts = {0: 101, 1: 100, 2: 10}
    categories = writer.lvis(np.random.default_rng(0), counts)['categories']
    assert [c['frequency'] for c in categories] == ['f', 'c', 'r']
    assert [c['image_count'] for c in categories] == [101, 100, 10]


def test_splits_share_no_vendor_and_no_photograph(emoji, scenes):
    train = {(p.package, p.file) for p in PHOTOGRAPHS['train']}
    val = {(p.package, p.file) for p in PHOTOGRAPHS['val']}
    assert train.isdisjoint(val)
    # vendor "b" alone draws with full blue, which no jitter removes
    for split, blue in (('train', False), ('val', True)):
        coco = COCO(scenes / f'annotations/instances_{split}.json')
        for annotation in coco.anns.values():
            file = coco.imgs[annotation['image_id']]['file_name']
            image = np.asarray(Image.open(scenes / f'images/{split}/{file}'))
            inside = image[coco.annToMask(annotation).astype(bool)]
            assert (np.median(inside[:, 2]) > 125) == blue


def test_unseen_families_are_in_no_training_scene(emoji, tmp_path):
    settings = SceneSettings(train=4, val=4, size=96, unseen_families=True)
    generate_scenes(emoji, tmp_path, settings)
    names = {}
    for split in ('train', 'val'):
        file = tmp_path / f'annotations/captions_{split}.json'
        annotations = json.loads(file.read_text())['annotations']
        names[split] = ' '.join(a['caption'] for a in annotations)
    assert 'thing 5' in names['val']
    assert 'thing 5' not in names['train']
    assert not any(f'thing {i}' in names['val'] for i in range(5))


def test_long_tail_follows_zipf():
    weights = long_tail([7, 7, 7, 2, 2, 5])
    harmonic = 1 + 1 / 2 + 1 / 3
    np.testing.assert_allclose(weights[:3].sum(), 1 / harmonic)
    np.testing.assert_allclose(weights[3:5].sum(), 1 / 2 / harmonic)
    np.testing.assert_allclose(weights[5], 1 / 3 / harmonic)


def test_photographs_are_inside_the_wheels():
    for photograph in (*PHOTOGRAPHS['train'], *PHOTOGRAPHS['val']):
        picture = read_photograph(photograph)
        assert picture.mode == 'RGB'
        assert min(picture.size) >= 256


def test_bad_folders_are_named(tmp_path, emoji):
    with pytest.raises(FileNotFoundError, match=r'no meta\.json'):
        generate_scenes(tmp_path, tmp_path / 'out', SETTINGS)
    with pytest.raises(FileNotFoundError, match='build_emoji.py'):
        read_cutouts(tmp_path, 'train', lambda fields: True)
    with pytest.raises(ValueError, match='no sample of train'):
        read_cutouts(emoji, 'train', lambda fields: False)
