"""Several data sets in one training, in set proportions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from m3i_mm.registry import DATASETS

from .source_dataset import SampleIndex, SourceDataset

__all__ = ['MixtureDataset']


@DATASETS.register_module()
class MixtureDataset(Dataset):
    """A mixture of sources, each with its own pipeline and targets.

    Used with :class:`~m3i_mm.datasets.StreamBatchSampler`, which deals out
    the samples of each source in passes of its own: a small source with a
    large share comes round more often. An epoch has as many samples as all
    sources together, unless ``epoch_size`` says otherwise.

    Args:
        datasets (Sequence[dict | SourceDataset]): The parts.
        weights (Sequence[float], optional): The share of each part; they need
            not add up to one.
        temperature (float, optional): Instead of weights: the share of a part
            of ``n`` samples is proportional to ``n ** (1 / temperature)``.
            Without both the shares are those of the sizes (temperature 1).
        mixing (str): ``'batch'``: every batch holds all parts in proportion.
            ``'step'``: a batch holds samples of one part, the same on all
            ranks. Defaults to ``'batch'``.
        epoch_size (int, optional): The number of samples in an epoch.

    Raises:
        ValueError: If the weights do not fit, are negative or all zero, or
            ``mixing`` is unknown.
    """

    def __init__(
        self,
        datasets: Sequence[Any],
        weights: Sequence[float] | None = None,
        temperature: float | None = None,
        mixing: str = 'batch',
        epoch_size: int | None = None,
    ) -> None:
        self.parts: list[SourceDataset] = [
            DATASETS.build(part) if isinstance(part, dict) else part
            for part in datasets
        ]
        if mixing not in ('batch', 'step'):
            raise ValueError(f"mixing is 'batch' or 'step', not {mixing!r}")
        self.mixing = mixing
        self.metainfo: dict[str, Any] = {}
        for part in self.parts:
            self.metainfo.update(part.metainfo)
        sizes = np.array([len(part) for part in self.parts])
        self.probabilities = _shares(sizes, weights, temperature)
        self.epoch_size = epoch_size or len(self)
        self._log_epoch(sizes)

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, index: int | SampleIndex) -> Any:
        """Return a packed sample; see :class:`SourceDataset`."""
        if isinstance(index, SampleIndex):
            return self.parts[index.part][index]
        rest = int(index)
        for part in self.parts:
            if rest < len(part):
                return part[rest]
            rest -= len(part)
        raise IndexError(f'{index} is not in [0, {len(self)})')

    def _log_epoch(self, sizes: np.ndarray) -> None:
        parts = [
            f'{part.source.name} {share:.1%} '
            f'({share * self.epoch_size / size:.2f} passes)'
            for part, share, size in zip(
                self.parts, self.probabilities, sizes, strict=True
            )
        ]
        print_log(
            f'An epoch has {self.epoch_size} samples: {", ".join(parts)}',
            logger='current',
        )


def _shares(
    sizes: np.ndarray,
    weights: Sequence[float] | None,
    temperature: float | None,
) -> np.ndarray:
    if weights is not None and temperature is not None:
        raise ValueError('Set weights or temperature, not both')
    if temperature is not None and temperature <= 0:
        raise ValueError(f'temperature = {temperature} is not positive')
    shares = sizes ** (1 / (temperature or 1.0))
    if weights is not None:
        shares = np.array(weights, dtype=float)
        if shares.shape != sizes.shape:
            raise ValueError(
                f'{len(sizes)} data sets need as many weights, got '
                f'{list(weights)}'
            )
    if (shares < 0).any() or not shares.any():
        raise ValueError(
            f'The weights of a mixture are not negative, and one is '
            f'positive; got {shares.tolist()}'
        )
    return shares / shares.sum()
