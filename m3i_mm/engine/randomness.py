"""Random numbers that belong to an iteration, not to a process's past."""

from __future__ import annotations

import random

import numpy as np
import torch

from m3i_mm.datasets.randomness import derive_seed

__all__ = ['seed_iteration']


def seed_iteration(seed: int, iteration: int, rank: int) -> None:
    """Seed Python, NumPy and PyTorch for one iteration of one process.

    What a model draws then depends on these three numbers only: a checkpoint
    holds no random state, whoever writes it and whenever, and validation or
    logging that draws changes nothing.

    Args:
        seed (int): The seed of the run.
        iteration (int): The iterations done before.
        rank (int): The process.
    """
    value = derive_seed(seed, iteration, rank)
    random.seed(value)
    np.random.seed(value)
    # torch.manual_seed would also queue a call for every GPU
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(value)
