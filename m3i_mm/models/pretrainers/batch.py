"""One training batch, as targets see it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from m3i_mm.datasets.fields import Annotations, Field

from .tokens import ImageTokens

if TYPE_CHECKING:
    from .inputs import Member

__all__ = ['Batch', 'MissingInputError']


class MissingInputError(ValueError):
    """A target asks for something that the data pipeline does not give."""


class Batch:
    """Views and annotations of B images, and the image encoders.

    Args:
        views (Sequence[Tensor]): Views of shape ``(B, 3, H, W)``; the first
            one is the input, the second another view of the same images.
        annotations (Annotations, optional): What is known of the images.
        encoders (Mapping[str, Callable], optional): Image encoders by name.
            Each maps images ``(B, 3, H, W)`` to :class:`ImageTokens`.
        learning (Collection[str]): Encoders that learn from being a target.
    """

    def __init__(
        self,
        views: Sequence[Tensor],
        annotations: Annotations | None = None,
        encoders: Mapping[str, Callable[[Tensor], ImageTokens]] | None = None,
        learning: Collection[str] = (),
    ) -> None:
        self.views = list(views)
        self.fields = annotations.fields if annotations is not None else {}
        self.encoders = dict(encoders or {})
        self.learning = frozenset(learning)
        self._encoded: dict[tuple[str, int, int, int], ImageTokens] = {}

    def split(self, size: int) -> list[Batch]:
        """Cut it into batches of some images each, in order.

        Args:
            size (int): Images of each but the last.
        """
        starts = range(0, len(self.views[0]), size)
        return [self._rows(slice(start, start + size)) for start in starts]

    def fresh(self) -> Batch:
        """Return the batch without what was encoded."""
        return self._rows(slice(None))

    def _rows(self, rows: slice) -> Batch:
        views = [view[rows] for view in self.views]
        part = Batch(views, None, self.encoders, self.learning)
        part.fields = {
            name: Field(field.values[rows], field.valid[rows])
            for name, field in self.fields.items()
        }
        return part

    def view(self, number: int) -> Tensor:
        """Return one view of all images, ``(B, 3, H, W)``."""
        if number >= len(self.views):
            raise MissingInputError(
                f'View {number} is asked for, but the pipeline gives '
                f'{len(self.views)}: add a view to MultiViewWithGeometry'
            )
        return self.views[number]

    def encode(
        self, encoder: str, member: Member, view: int, learns: bool = False
    ) -> ImageTokens:
        """Encode one view of some images, once whoever asks for it.

        Args:
            encoder (str): Name of the encoder.
            member (Member): Which images.
            view (int): Which of their views.
            learns (bool): Whether the encoder learns from what these tokens
                are for. Defaults to whether it learns from being a target.
        """
        key = (encoder, view, member.number, member.count)
        if key not in self._encoded:
            learns = learns or encoder in self.learning
            with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
                images = member.pick(self.view(view))
                self._encoded[key] = self.encoders[encoder](images)
        return self._encoded[key]

    def geometry(self, member: Member, view: int) -> Tensor:
        """Return crops of a view, ``(P, 7)``, see :mod:`.positions`.

        Raises:
            MissingInputError: If the samples do not carry ``view_geometry``.
        """
        crops = self.field('view_geometry', member)
        if crops is None:
            raise MissingInputError(
                "A target of another view needs the field 'view_geometry' of "
                'every sample, which MultiViewWithGeometry writes and '
                "PackInputs must list in 'algorithm_keys'"
            )
        return crops.values[:, view].float()

    def field(self, name: str, member: Member) -> Field | None:
        """Return a field ``(P, ...)`` of some images, None if all lack it."""
        field = self.fields.get(name)
        if field is None:
            return None
        return Field(member.pick(field.values), member.pick(field.valid))
