"""One training batch, as targets see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .tokens import ImageTokens

__all__ = ['Batch', 'MissingInputError']


class MissingInputError(ValueError):
    """A target asks for something that the data pipeline does not give."""


class Batch:
    """Views and annotations of B images, and the encoders of targets.

    Args:
        views (Sequence[Tensor]): Views of shape ``(B, 3, H, W)``; the first
            one is the input, the second another view of the same images.
        samples (Sequence, optional): B data samples with the optional fields
            ``gt_label``, ``text_tokens`` and ``view_geometry``.
        encoders (dict[str, Callable], optional): Image encoders of targets by
            name. Each maps images ``(B, 3, H, W)`` to :class:`ImageTokens`.

    Attributes:
        absent (set[str]): Fields that were asked for and no sample has.
    """

    def __init__(
        self,
        views: Sequence[Tensor],
        samples: Sequence[Any] | None = None,
        encoders: dict[str, Callable[[Tensor], ImageTokens]] | None = None,
    ) -> None:
        self.views = list(views)
        self.samples = list(samples) if samples is not None else []
        self.encoders = encoders or {}
        self.absent: set[str] = set()
        self.rows = torch.arange(len(views[0]), device=views[0].device)

    def view(self, number: int) -> Tensor:
        """Return one view of all images, ``(B, 3, H, W)``."""
        if number >= len(self.views):
            raise MissingInputError(
                f'View {number} is asked for, but the pipeline gives '
                f'{len(self.views)}: add a view to MultiViewWithGeometry'
            )
        return self.views[number]

    def encode(self, encoder: str, view: int, rows: Tensor) -> ImageTokens:
        """Encode one view of some images with the encoder of a target."""
        return self.encoders[encoder](self.view(view)[rows])

    def geometry(self, view: int, rows: Tensor) -> Tensor:
        """Return crops of a view, ``(P, 7)``, see :mod:`.positions`.

        Raises:
            MissingInputError: If the samples do not carry ``view_geometry``.
        """
        crops, valid = self.field('view_geometry', rows)
        if crops is None or not valid.all():
            raise MissingInputError(
                "A target of another view needs the field 'view_geometry' of "
                'every sample, which MultiViewWithGeometry writes and '
                "PackInputs must list in 'algorithm_keys'"
            )
        return crops[:, view].float()

    def field(self, name: str, rows: Tensor) -> tuple[Tensor | None, Tensor]:
        """Stack a field of the samples.

        Args:
            name (str): Name of the field.
            rows (Tensor): Which images, ``(P, )``.

        Returns:
            tuple[Tensor | None, Tensor]: Values ``(P, ...)``, zero where a
            sample lacks the field, None if all do; and a boolean mask
            ``(P, )`` of the samples that have it.
        """
        values = [
            getattr(sample, name, None)
            for sample in (self.samples[row] for row in self._known(rows))
        ]
        valid = torch.tensor([v is not None for v in values]).to(rows.device)
        known = next((v for v in values if v is not None), None)
        if known is None:
            self.absent.add(name)
            return None, torch.zeros_like(rows, dtype=torch.bool)
        empty = torch.zeros_like(torch.as_tensor(known))
        stacked = torch.stack(
            [empty if v is None else torch.as_tensor(v) for v in values]
        )
        return stacked.to(rows.device), valid

    def _known(self, rows: Tensor) -> list[int]:
        return rows.tolist() if self.samples else []

    def key(self, row: int) -> str:
        """Return the key of a sample, for error messages."""
        return str(getattr(self.samples[row], 'sample_key', f'number {row}'))
