"""Small shards to read, and the pipeline that the tests read them with."""

import io
import json
import tarfile

import cv2
import numpy as np

PIPELINE = [
    dict(type='m3i_mm.DecodeImage'),
    dict(type='m3i_mm.Labels', fields=dict(gt_label='concept')),
    dict(
        type='m3i_mm.ChooseText',
        templates=['{vendor} {name}; {keywords}', 'a drawing of {name}'],
    ),
    dict(type='m3i_mm.Tokenize', tokenizer='clip'),
    dict(
        type='m3i_mm.MultiViewWithGeometry',
        transforms=[
            [
                dict(type='m3i_mm.Background'),
                dict(type='m3i_mm.RandomView', size=16),
            ]
        ]
        * 2,
    ),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=('text_tokens', 'view_geometry'),
        meta_keys=('sample_key', 'source'),
    ),
]


def picture(number, suffix='.webp', channels=4, size=(24, 20)):
    """A noise picture, encoded."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 255, (*size, channels), dtype=np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def sample_files(number):
    """The files of a sample, with fields as in the emoji data."""
    fields = dict(
        concept=number,
        name=f'thing {number}',
        keywords=['red', 'round'],
        vendor='abc'[number % 3],
        heldout=number % 2 == 0,
    )
    return dict(webp=picture(number), json=json.dumps(fields).encode())


def write_shard(path, samples):
    """Write ``{key: {suffix: bytes}}``."""
    mode = 'w:gz' if str(path).endswith('.gz') else 'w'
    with tarfile.open(path, mode) as archive:
        for key, files in samples.items():
            for suffix, content in files.items():
                member = tarfile.TarInfo(f'{key}.{suffix}')
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def write_shards(folder, sizes=(7, 5, 6, 8), suffix='tar.gz'):
    """Write shards of consecutively numbered samples; return a pattern."""
    number = 0
    for shard, size in enumerate(sizes):
        samples = {
            f'{i:04d}': sample_files(i) for i in range(number, number + size)
        }
        write_shard(folder / f'train-{shard:03d}.{suffix}', samples)
        number += size
    return str(folder / f'train-*.{suffix}')
