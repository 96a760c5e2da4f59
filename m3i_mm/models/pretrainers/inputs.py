"""t_x: what the image encoder sees.

An input turns the views of a batch into *passes*: each is one forward pass of
the encoder and says which images of the batch went in and which patches
belong to them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from .batch import Batch
from .encoders import encode_image
from .masks import Mask
from .tokens import ImageTokens

__all__ = [
    'BothViews',
    'CombinedInputs',
    'Member',
    'MultiCrop',
    'Pass',
    'PatchMask',
    'PatchMix',
    'SingleView',
]


@dataclass
class Member:
    """One image of the batch inside each of P input images.

    Attributes:
        number (int): Which of the images of a mix.
        count (int): Images of a mix, N: those of the batch that this member
            is are ``number``, ``number + N``, ``number + 2 * N`` ...
        view (int): Which of their views.
        other (int, optional): The view that targets of another view show;
            of two views the other one if None.
        owned (Mask, optional): The patches ``(P, h, w)`` whose tokens speak
            of this image; None if all do.
        hidden (Mask, optional): The patches ``(P, h, w)`` of this image that
            the input does not show; None if it shows all.
    """

    number: int = 0
    count: int = 1
    view: int = 0
    other: int | None = None
    owned: Mask | None = None
    hidden: Mask | None = None

    @property
    def other_view(self) -> int:
        """The view of targets of another view."""
        return 1 - self.view if self.other is None else self.other

    def pick(self, values: Tensor) -> Tensor:
        """Take the rows of this member, ``(P * N, ...) -> (P, ...)``."""
        return values[self.number :: self.count]


@dataclass
class Pass:
    """One forward pass of the encoder.

    Attributes:
        members (list[Member]): The images of the batch that the inputs show.
        images (Tensor, optional): Input images ``(P, 3, H, W)``; None if they
            are the whole view of the only member.
        first (int): Number of its first member among those of the input,
            which objectives name.
        encode (Callable): How to encode ``images``, if not simply by
            ``encode_image(backbone, neck, images)``.
    """

    members: list[Member]
    images: Tensor | None = None
    encode: Callable[[nn.Module, nn.Module | None, Tensor], ImageTokens] = (
        encode_image
    )
    first: int = 0

    def shown(self, numbers: Iterable[int]) -> list[Member]:
        """Pick the members of these numbers, as far as this pass has them."""
        places = (number - self.first for number in numbers)
        return [
            self.members[place]
            for place in places
            if 0 <= place < len(self.members)
        ]


def patch_grid(images: Tensor, patch_size: int) -> tuple[int, int]:
    """Count the patches of images ``(B, 3, H, W)``.

    Raises:
        ValueError: If the size is not a multiple of the patch.
    """
    height, width = images.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f'Images of {height}x{width} pixels do not divide into patches of '
            f'{patch_size}: set the size of the views to a multiple of '
            'patch_size'
        )
    return height // patch_size, width // patch_size


@MODELS.register_module()
class SingleView(BaseModule):
    """The input is one view of each image, whole."""

    num_members = 1

    def forward(self, batch: Batch) -> list[Pass]:
        """Return one pass over the first views, ``(B, 3, H, W)``."""
        return [Pass([Member()])]


@MODELS.register_module()
class BothViews(BaseModule):
    """Each of two views is the input once; the other one is then the target.

    This symmetrises an objective, as MoCo v3, BYOL and SimSiam do.
    """

    num_members = 1

    def forward(self, batch: Batch) -> list[Pass]:
        """Return a pass for each of the two views."""
        return [Pass([Member(view=view)]) for view in (0, 1)]


@MODELS.register_module()
class MultiCrop(BaseModule):
    """Each view is the input; each whole view but itself is a target (DINO).

    The first two views show large parts of the images, further ones small
    parts at a smaller size. A view is encoded once, however many targets it
    has; every pair of input and target counts alike.
    """

    num_members = 1

    def forward(self, batch: Batch) -> list[Pass]:
        """Return a pass for each pair of a view and a large other one."""
        return [
            Pass([Member(view=view, other=other)])
            for view in range(len(batch.views))
            for other in (1, 0)
            if other != view
        ]


@MODELS.register_module()
class CombinedInputs(BaseModule):
    """Several inputs of the same images, each encoded by itself.

    Their members are numbered through, so that each objective names the input
    that predicts its target: of ``[PatchMix, SingleView]`` 0 and 1 are the
    images of a mix, and 2 is each image as a whole.

    Args:
        inputs (Sequence[dict]): Configs of the inputs.

    Raises:
        ValueError: If there is none.
    """

    def __init__(self, inputs: Sequence[dict]) -> None:
        super().__init__()
        if not inputs:
            raise ValueError('CombinedInputs needs at least one input')
        self.inputs = ModuleList(MODELS.build(cfg) for cfg in inputs)

    @property
    def num_members(self) -> int:
        """Members of all inputs."""
        return sum(part.num_members for part in self.inputs)

    @property
    def group_size(self) -> int:
        """Images that have to stay together in a part of a batch."""
        return math.lcm(*(group_size(part) for part in self.inputs))

    def forward(self, batch: Batch) -> list[Pass]:
        """Return the passes of all inputs, in order."""
        passes, first = [], 0
        for part in self.inputs:
            passes += [replace(step, first=first) for step in part(batch)]
            first += part.num_members
        return passes


def group_size(input: Any) -> int:
    """Return how many images of a batch one input is made of.

    Args:
        input (BaseModule): A mix of N images takes N, others one.
    """
    return getattr(input, 'group_size', input.num_members)


@MODELS.register_module()
class PatchMix(BaseModule):
    """Mixes N images into one input, patch by patch (paper section 3, 4.2).

    ``x = m * x_1 + (1 - m) * x_2`` with a random mask m that is constant on
    patches and drawn for every pair, so one encoder pass serves N images and
    masks each with the patches of the others. Neighbouring images of the
    batch are mixed: 0 with 1, 2 with 3, ...

    Args:
        patch_size (int): Side of a mixing patch in pixels, a multiple of the
            encoder's stride. Defaults to 16.
        ratio (float | tuple[float, float]): Share of the patches that the
            first image keeps. A range draws one ratio per batch. Only for
            two images. Defaults to 0.5.
        num_images (int): N. Defaults to 2.
    """

    def __init__(
        self,
        patch_size: int = 16,
        ratio: float | tuple[float, float] = 0.5,
        num_images: int = 2,
    ) -> None:
        super().__init__()
        if num_images < 2:
            raise ValueError(f'num_images must be at least 2: {num_images}')
        if num_images > 2 and ratio != 0.5:
            raise ValueError('ratio is a setting of mixes of two images')
        self.patch_size = patch_size
        self.num_members = num_images
        self.pattern = MODELS.build(dict(type='UniformMask', ratio=ratio))

    def forward(self, batch: Batch) -> list[Pass]:
        """Mix the first views.

        Returns:
            list[Pass]: One pass over ``(B / N, 3, H, W)`` mixed images.

        Raises:
            ValueError: If the batch does not divide into mixes, or the image
                not into patches.
        """
        images = batch.view(0)
        if len(images) % self.num_members:
            raise ValueError(
                f'PatchMix mixes {self.num_members} images into one, but the '
                f'batch has {len(images)}: choose a multiple and '
                'drop_last=True'
            )
        grid = patch_grid(images, self.patch_size)
        owned = self.draw_members(
            len(images) // self.num_members, grid, images.device
        )
        members = [
            Member(
                number,
                self.num_members,
                owned=mask,
                hidden=mask.others(),
            )
            for number, mask in enumerate(owned)
        ]
        return [Pass(members, mix_images(images, owned))]

    def draw_members(
        self, mixes: int, grid: tuple[int, int], device: torch.device
    ) -> list[Mask]:
        """Draw which image each patch shows.

        Args:
            mixes (int): Number of mixes P.
            grid (tuple[int, int]): Rows and columns of patches.
            device (torch.device): Where to draw.

        Returns:
            list[Mask]: The patches of each image, ``(P, rows, columns)``;
            together they are all.
        """
        if self.num_members == 2:
            first = Mask.of(self.pattern(mixes, grid, device))
            return [first, first.others()]
        cells = grid[0] * grid[1]
        ranks = torch.rand(mixes, cells, device=device).argsort(1).argsort(1)
        owner = (ranks * self.num_members // cells).view(mixes, *grid)
        counts = Counter(
            rank * self.num_members // cells for rank in range(cells)
        )
        return [
            Mask(owner == number, counts[number])
            for number in range(self.num_members)
        ]


def mix_images(images: Tensor, owned: list[Mask]) -> Tensor:
    """Compose each input from the patches of its members.

    Args:
        images (Tensor): ``(P * N, 3, H, W)``, members of a mix in a row.
        owned (list[Mask]): The patches of each member, ``(P, h, w)``.

    Returns:
        Tensor: Mixed images, ``(P, 3, H, W)``.
    """
    size = (images.shape[-2], images.shape[-1])
    mixed = images[:: len(owned)]
    for number, mask in enumerate(owned[1:], 1):
        pixels = mask.resize(size).cells[:, None]  # (P, 1, H, W)
        mixed = torch.where(pixels, images[number :: len(owned)], mixed)
    return mixed


@MODELS.register_module()
class PatchMask(BaseModule):
    """Views with a part of their patches hidden (masked image modelling).

    Args:
        patch_size (int): Side of a patch in pixels. Defaults to 16.
        pattern (dict): Which patches are hidden, e.g. ``UniformMask`` or
            ``BlockMask``. Defaults to 75 % drawn uniformly.
        fill (dict): What stands in the place of a hidden patch:
            ``DropPatches``, ``MaskToken`` or ``FillPixels``. Defaults to
            ``dict(type='FillPixels')``, which suits any backbone.
        num_views (int): How many of the views are an input, each by itself.
            Defaults to 1.
    """

    num_members = 1

    def __init__(
        self,
        patch_size: int = 16,
        pattern: dict | None = None,
        fill: dict | None = None,
        num_views: int = 1,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.pattern = MODELS.build(
            pattern or dict(type='UniformMask', ratio=0.75)
        )
        self.fill = MODELS.build(fill or dict(type='FillPixels'))
        self.num_views = num_views

    def forward(self, batch: Batch) -> list[Pass]:
        """Return a pass over each of the masked views, ``(B, 3, H, W)``."""
        return [self._mask(batch, view) for view in range(self.num_views)]

    def _mask(self, batch: Batch, view: int) -> Pass:
        images = batch.view(view)
        grid = patch_grid(images, self.patch_size)
        hidden = Mask.of(self.pattern(len(images), grid, images.device))
        step = self.fill(images, hidden)
        step.members[0].view = view
        return step
