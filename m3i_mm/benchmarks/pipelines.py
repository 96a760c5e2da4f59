"""Two-view pipelines side by side on one core.

All of them decode a JPEG and make two views of 224 px with the augmentations
of MoCo v3 (crops of 0.2 to 1 of the area, colour jitter, grey, blur with
probability 1 and 0.1, solarisation 0 and 0.2, flips). Reading files is not
counted: the pictures are in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.hub import get_config
from mmengine.registry import DefaultScope

from m3i_mm.datasets.sources import ImageFolderSource

__all__ = ['PIPELINES', 'Speed', 'compare_pipelines', 'load_jpegs']

SIZE = 224
SCALE = (0.2, 1.0)
# samples between two looks at the clock
ROUND = 8


class Speed(NamedTuple):
    """The speed of one pipeline.

    Attributes:
        name (str): The pipeline.
        images_per_second (float): Pictures, of two views each, a second of
            one core's time.
    """

    name: str
    images_per_second: float


def load_jpegs(folder: str | None = None, limit: int = 64) -> list[bytes]:
    """Return encoded pictures.

    Args:
        folder (str, optional): A folder of JPEG files. Defaults to None: the
            two photographs of scikit-learn, cut and scaled to 500 x 375, the
            size that is common in ImageNet, at quality 90.
        limit (int): The number of pictures. Defaults to 64.

    Returns:
        list[bytes]: JPEG files.

    Raises:
        FileNotFoundError: If the folder holds no JPEG files.
    """
    if folder is None:
        return _photographs(limit)
    paths = [
        sample['img_path']
        for sample in ImageFolderSource(folder, labels=False)
        if sample['img_path'].lower().endswith(('.jpg', '.jpeg'))
    ]
    if not paths:
        raise FileNotFoundError(f'There are no JPEG files in {folder!r}')
    contents = []
    for path in paths[:limit]:
        with open(path, 'rb') as file:
            contents.append(file.read())
    return contents


def _photographs(limit: int) -> list[bytes]:
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    photos = load_sample_images().images
    contents = []
    for number in range(limit):
        photo = photos[number % len(photos)][..., ::-1]
        top, left = rng.integers(0, 100, 2)
        part = photo[top : top + 320, left : left + 427]
        part = cv2.resize(part, (500, 375), interpolation=cv2.INTER_CUBIC)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        contents.append(cv2.imencode('.jpg', part, quality)[1].tobytes())
    return contents


def _decoding() -> Callable[[bytes], Any]:
    def run(content: bytes) -> Any:
        return cv2.imdecode(np.frombuffer(content, np.uint8), 1)

    return run


def _ours() -> Callable[[bytes], Any]:
    def view(blur: float, solarize: float) -> list[dict]:
        return [
            dict(type='m3i_mm.Background'),
            dict(type='m3i_mm.RandomView', size=SIZE, scale=SCALE),
            dict(type='m3i_mm.ColorMatrix'),
            dict(type='m3i_mm.RandomBlur', prob=blur),
            dict(type='mmpretrain.Solarize', thr=128, prob=solarize),
        ]

    pipeline = Compose(
        [
            dict(type='m3i_mm.DecodeImage', reduce=True),
            dict(
                type='m3i_mm.MultiViewWithGeometry',
                transforms=[view(1.0, 0.0), view(0.1, 0.2)],
            ),
            dict(
                type='mmpretrain.PackInputs',
                algorithm_keys=('view_geometry',),
                meta_keys=('sample_key',),
            ),
        ]
    )
    return lambda content: pipeline(dict(sample_key='', img_bytes=content))


def _mmpretrain() -> Callable[[bytes], Any]:
    config = 'mmpretrain::_base_/datasets/imagenet_bs512_mocov3.py'
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        # all but reading the file
        _, *steps = get_config(config).train_pipeline
        pipeline = Compose(steps)

    def run(content: bytes) -> Any:
        img: Any = cv2.imdecode(np.frombuffer(content, np.uint8), 1)
        return pipeline(
            dict(
                img=img,
                img_path='',
                img_shape=img.shape[:2],
                ori_shape=img.shape[:2],
            )
        )

    return run


def _torchvision() -> Callable[[bytes], Any]:
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms import v2

    def view(blur: float, solarize: float) -> v2.Compose:
        return v2.Compose(
            [
                v2.RandomResizedCrop(
                    SIZE,
                    SCALE,
                    interpolation=v2.InterpolationMode.BICUBIC,
                    antialias=True,
                ),
                v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8),
                v2.RandomGrayscale(0.2),
                v2.RandomApply([v2.GaussianBlur(13, (0.1, 2.0))], blur),
                v2.RandomSolarize(128, solarize),
                v2.RandomHorizontalFlip(),
            ]
        )

    views = view(1.0, 0.0), view(0.1, 0.2)

    def run(content: bytes) -> Any:
        buffer = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        img = decode_jpeg(buffer, ImageReadMode.RGB)
        return [make(img) for make in views]

    return run


PIPELINES: dict[str, Callable[[], Callable[[bytes], Any]]] = {
    'decoding only': _decoding,
    'm3i_mm': _ours,
    'MMPretrain MoCo v3': _mmpretrain,
    'torchvision v2': _torchvision,
}


def compare_pipelines(jpegs: list[bytes], seconds: float = 5.0) -> list[Speed]:
    """Measure all pipelines in turns, so that noise hits them alike.

    Args:
        jpegs (list[bytes]): Encoded pictures.
        seconds (float): Processor time for each pipeline.

    Returns:
        list[Speed]: One entry for each of ``PIPELINES``.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    runs = {name: make() for name, make in PIPELINES.items()}
    spent = dict.fromkeys(runs, 0.0)
    counts = dict.fromkeys(runs, 0)
    for run in runs.values():
        run(jpegs[0])
    while min(spent.values()) < seconds:
        for name, run in runs.items():
            if spent[name] >= seconds:
                continue
            begin = time.process_time()
            for number in range(counts[name], counts[name] + ROUND):
                run(jpegs[number % len(jpegs)])
            spent[name] += time.process_time() - begin
            counts[name] += ROUND
    return [Speed(name, counts[name] / spent[name]) for name in runs]
