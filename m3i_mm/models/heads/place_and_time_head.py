"""A linear classifier that also asks where and when a picture was taken.

InternImage's model of iNaturalist 2018 adds to the scores of the picture those
of a small network on the month and the place, after MetaFormer (Diao et al.,
arXiv 2203.02751). Parameters have the names of the release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models.heads import LinearClsHead
from torch import Tensor, nn

from m3i_mm.registry import MODELS

__all__ = ['PlaceAndTimeHead']

TIME_DIMS, PLACE_DIMS = 4, 3


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(width, width)
        self.norm_fn1 = nn.LayerNorm(width)
        self.w2 = nn.Linear(width, width)
        self.norm_fn2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width) to the same shape."""
        y = self.norm_fn1(self.w1(x).relu())
        return x + self.norm_fn2(self.w2(y).relu())


def _encoder(in_dims: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_dims, width),
        nn.ReLU(),
        nn.LayerNorm(width),
        _ResidualBlock(width),
    )


@MODELS.register_module()
class PlaceAndTimeHead(LinearClsHead):
    """Scores of the picture plus scores of its time and place.

    A sample may have ``time``, 4 values, and ``place``, 3 values, as
    :class:`~m3i_mm.datasets.inaturalist.INaturalist2018` gives them. Zeros
    stand for what is not known.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Width of the picture's feature.
        embed_dims (int): Width of the encoding of time, and of place.
        **kwargs: Arguments of MMPretrain's ``LinearClsHead``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        embed_dims: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        self.meta_head_1 = _encoder(TIME_DIMS, embed_dims)
        self.meta_head_2 = _encoder(PLACE_DIMS, embed_dims)
        self.meta_norm = nn.LayerNorm(2 * embed_dims, eps=1e-6)
        self.meta_head = nn.Linear(2 * embed_dims, num_classes)

    def forward(
        self,
        feats: tuple[Tensor, ...],
        data_samples: Sequence[Any] | None = None,
    ) -> Tensor:
        """Score the classes.

        Args:
            feats (tuple[Tensor]): Features, of which the last is
                (B, in_channels).
            data_samples (Sequence[DataSample], optional): The samples, with
                or without ``time`` and ``place``.

        Returns:
            Tensor: Logits, (B, num_classes).
        """
        scores = super().forward(feats)
        samples = data_samples or [None] * len(scores)
        time = _stack(samples, 'time', TIME_DIMS, scores)
        place = _stack(samples, 'place', PLACE_DIMS, scores)
        known = torch.cat(
            [self.meta_head_1(time), self.meta_head_2(place)], dim=-1
        )
        return scores + self.meta_head(self.meta_norm(known))

    def loss(
        self,
        feats: tuple[Tensor, ...],
        data_samples: list,
        **kwargs: Any,
    ) -> dict[str, Tensor]:
        """Compute the loss of a batch, see MMPretrain's ``ClsHead``."""
        return self._get_loss(
            self(feats, data_samples), data_samples, **kwargs
        )

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list | None = None
    ) -> list:
        """Predict a batch, see MMPretrain's ``ClsHead``."""
        return self._get_predictions(self(feats, data_samples), data_samples)


def _stack(
    samples: Sequence[Any], field: str, dims: int, like: Tensor
) -> Tensor:
    """Stack a field, (B, dims), with zeros where a sample has none."""
    rows = [
        torch.zeros(dims)
        if sample is None or field not in sample
        else torch.as_tensor(sample.get(field), dtype=torch.float)
        for sample in samples
    ]
    return torch.stack(rows).to(like.device)
