"""A few real pictures of ``shared/data``, laid out as a user has them.

The sets are for tests on this machine only: what needs one skips without it.
"""

import io
import json
import shutil
import tarfile
from pathlib import Path

SHARED = Path(__file__).parents[3] / 'shared/data'
COUNT = 4  # pictures of each half


def write_coco(root):
    """COCO with boxes and masks: ``annotations``, ``train``, ``val``."""
    for half in ('train', 'val'):
        source = SHARED / 'coco256' / f'{half}2017'
        content = json.loads(
            (SHARED / f'coco256/annotations/instances_{half}2017.json')
            .read_text()
        )  # fmt: skip
        objects = content['annotations']
        # some with objects, one with a crowd
        crowd = next(o['image_id'] for o in objects if o['iscrowd'])
        ids = [crowd, *dict.fromkeys(o['image_id'] for o in objects)]
        ids = list(dict.fromkeys(ids))[:COUNT]
        content['images'] = [i for i in content['images'] if i['id'] in ids]
        content['annotations'] = [o for o in objects if o['image_id'] in ids]
        (root / 'annotations').mkdir(parents=True, exist_ok=True)
        path = root / f'annotations/instances_{half}.json'
        path.write_text(json.dumps(content))
        (root / half).mkdir()
        for image in content['images']:
            shutil.copy(source / image['file_name'], root / half)


def write_camvid(root):
    """CamVid: ``images/train``, ``masks/train``, ``val``, ``classes.txt``."""
    camvid = SHARED / 'camvid'
    classes = json.loads((camvid / 'classes.json').read_text())['classes']
    for half in ('train', 'val'):
        for kind, place, suffix in (
            ('img', 'images', '.jpg'),
            ('ann', 'masks', '.png'),
        ):
            (root / place / half).mkdir(parents=True)
            files = sorted((camvid / kind / half).glob(f'*{suffix}'))
            for file in files[:COUNT]:
                shutil.copy(file, root / place / half)
    (root / 'classes.txt').write_text('\n'.join(classes))


def write_imagenet(root, classes=6):
    """ImageNet: ``train/WNID`` and ``val/WNID``, with lists in ``meta``."""
    with tarfile.open(SHARED / 'imagenet1000/00000.tar') as archive:
        names = [n for n in archive.getnames() if n.endswith('.jpg')][:classes]
        pictures = {n: archive.extractfile(n).read() for n in names}
    (root / 'meta').mkdir(parents=True)
    for half in ('train', 'val'):
        lines = []
        for label, name in enumerate(sorted(pictures)):
            folder = root / half / Path(name).stem
            folder.mkdir(parents=True)
            (folder / name).write_bytes(pictures[name])
            lines.append(f'{folder.name}/{name} {label}')
        for listed in (half, f'{half}_1percent'):
            (root / f'meta/{listed}.txt').write_text('\n'.join(lines))


def write_captions(root):
    """Flickr8k: one shard of a few pictures with captions."""
    root.mkdir(parents=True)
    with (
        tarfile.open(SHARED / 'captions/train-00000.tar') as source,
        tarfile.open(root / '00000.tar', 'w') as target,
    ):
        for member in source.getmembers()[: 2 * 2 * COUNT]:
            content = source.extractfile(member).read()
            target.addfile(member, io.BytesIO(content))
