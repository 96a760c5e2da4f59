"""Randomness that depends on what is drawn, not on who draws it and when.

Every permutation and every augmentation takes its seed from the coordinates
of what it is for (run, epoch, source, sample), so a sample comes out the same
in any worker process, on any rank and after any interruption.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ['derive_seed', 'generator', 'seeded']


def derive_seed(*coordinates: int) -> int:
    """Hash coordinates into one seed.

    Args:
        *coordinates (int): Non-negative integers; their order matters.

    Returns:
        int: A seed in ``[0, 2**32)``.
    """
    return int(np.random.SeedSequence(coordinates).generate_state(1)[0])


def generator(*coordinates: int) -> np.random.Generator:
    """Return a NumPy generator that belongs to the coordinates."""
    return np.random.default_rng(coordinates)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with Python, NumPy and PyTorch (CPU) seeded.

    The transforms of MMCV and MMPretrain draw from these global generators.
    Their former states come back afterwards, so that loading data in the
    training process leaves the randomness of the model alone.

    Args:
        seed (int): A seed in ``[0, 2**32)``.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    # torch.manual_seed would also queue a call for every GPU
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
