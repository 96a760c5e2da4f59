"""Where dense targets lie in the input."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .batch import Batch, MissingInputError
from .inputs import Member
from .positions import grid_coordinates, relative_coordinates
from .tokens import ImageTokens, gather_tokens

__all__ = ['Places', 'check_patches', 'locate', 'own_places']


@dataclass
class Places:
    """The places of T dense targets of each image.

    Attributes:
        coordinates (Tensor): Where they lie in the input, ``(P, T, 4)``, see
            :func:`.positions.relative_coordinates`.
        cells (Tensor, optional): The token of the input that predicts each,
            ``(P, T)``, where the two correspond one to one.
        keep (Tensor, optional): Cells of the target's grid that are targets,
            ``(P, T)``; None if all are.
    """

    coordinates: Tensor
    cells: Tensor | None = None
    keep: Tensor | None = None

    def pick(self, values: Tensor) -> Tensor:
        """Take the targets from a whole grid, ``(P, h * w, ...)``."""
        return (
            values if self.keep is None else gather_tokens(values, self.keep)
        )

    def of(self, keep: Tensor) -> Places:
        """Keep some cells ``(P, T)`` of a whole grid."""
        cells = None if self.cells is None else gather_tokens(self.cells, keep)
        return Places(gather_tokens(self.coordinates, keep), cells, keep)


def check_patches(view: str, patches: str) -> None:
    """Check which patches of which view are to be predicted.

    Raises:
        ValueError: If the setting is unknown or has no meaning.
    """
    if patches not in ('all', 'hidden'):
        raise ValueError(f"patches must be 'all' or 'hidden': {patches!r}")
    if patches == 'hidden' and view == 'other':
        raise ValueError(
            "patches='hidden' has no meaning for view='other': no patch of "
            'it was in the input'
        )


def locate(
    grid: tuple[int, int],
    view: str,
    patches: str,
    batch: Batch,
    member: Member,
    tokens: ImageTokens,
) -> Places:
    """Find the places of the patches of a view.

    Args:
        grid (tuple[int, int]): Rows and columns of the target's patches.
        view (str): ``'same'``, the view that is the input, or ``'other'``.
        patches (str): ``'all'``, or those ``'hidden'`` in the input.
        batch (Batch): The batch.
        member (Member): Which images, and how the input shows them.
        tokens (ImageTokens): z_x of the inputs, ``(P, K, C)``.

    Returns:
        Places: Of all or of the hidden patches.

    Raises:
        MissingInputError: If the input hides no patches.
    """
    if view == 'other':
        return Places(
            relative_coordinates(
                batch.geometry(member, member.view),
                batch.geometry(member, member.other_view),
                tokens.grid,
                grid,
            )
        )
    places = own_places(grid, tokens)
    if patches == 'all':
        return places
    if member.hidden is None:
        raise MissingInputError(
            "patches='hidden' needs an input that hides patches, such as "
            'PatchMask or PatchMix'
        )
    return places.of(member.hidden.resize(grid).indices())


def own_places(grid: tuple[int, int], tokens: ImageTokens) -> Places:
    """Locate the cells of a grid laid over the input view itself."""
    batch = len(tokens.values)
    cells = grid_coordinates(grid, tokens.values)
    scales = (tokens.grid[0] / grid[0], tokens.grid[1] / grid[1])
    centres = torch.stack(
        [
            (numbers + 0.5) * scale - 0.5
            for numbers, scale in zip(cells.unbind(1), scales, strict=True)
        ],
        1,
    )
    coordinates = torch.cat([centres, torch.zeros_like(centres)], 1)
    places = Places(coordinates.expand(batch, -1, -1))
    if grid == tokens.grid:
        numbers = torch.arange(len(cells), device=cells.device)
        places.cells = numbers.expand(batch, -1)
    return places
