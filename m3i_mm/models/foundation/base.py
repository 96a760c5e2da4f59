"""What a foundation model says of images, whichever library it is of."""

from __future__ import annotations

import hashlib
from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ['FoundationModel', 'FoundationModelError', 'Seen', 'digest_of']


class FoundationModelError(ValueError):
    """A model that is not there, cannot be loaded or does not fit."""


class Seen(NamedTuple):
    """What a model says of images.

    Attributes:
        map (Tensor): Features of the patches, after the final norm,
            ``(B, C, h, w)``.
        pooled (Tensor): One embedding for each image, ``(B, D)``; that of
            CLIP and SigLIP is where the texts are.
    """

    map: Tensor
    pooled: Tensor


class FoundationModel(nn.Module, metaclass=ABCMeta):
    """A model of another library.

    Args:
        network (nn.Module): That model.
        mean (Sequence[float]): Mean of its pixels, of 0 to 1, (3, ).
        std (Sequence[float]): Standard deviation of its pixels, (3, ).
        stride (int, optional): Side of a patch; sizes of images have to be
            multiples. None if any size will do.
        size (int, optional): The only size that it takes; None if there are
            others.

    Attributes:
        network (nn.Module): The model.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        stride: int | None,
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer('mean', torch.tensor(list(mean)), False)
        self.register_buffer('std', torch.tensor(list(std)), False)
        self.stride = stride
        self.size = size

    @abstractmethod
    def see(self, images: Tensor) -> Seen:
        """Encode images in the normalisation of the model.

        Args:
            images (Tensor): ``(B, 3, H, W)``.

        Returns:
            Seen: Dense and global features.
        """

    def forward(self, images: Tensor) -> Seen:
        """Encode images of a size that the model takes, see :meth:`see`.

        Raises:
            FoundationModelError: If the model does not take the size.
        """
        height, width = images.shape[-2:]
        if self.size is not None and (height, width) != (self.size,) * 2:
            raise FoundationModelError(
                f'{type(self.network).__name__} takes images of '
                f'{self.size}x{self.size} pixels, not {height}x{width}: set '
                f'size={self.size}'
            )
        if self.stride is not None and (
            height % self.stride or width % self.stride
        ):
            raise FoundationModelError(
                f'Images of {height}x{width} pixels do not divide into the '
                f'patches of {self.stride} pixels of '
                f'{type(self.network).__name__}: set size to a multiple of '
                f'{self.stride}'
            )
        return self.see(images)

    @abstractmethod
    def group_matcher(self) -> Mapping[str, Any]:
        """Tell the layers of :attr:`network`, as timm's models do."""


def digest_of(tensors: Iterable[tuple[str, Tensor]]) -> bytes:
    """Hash weights: SHA-256 over names, types and values.

    Args:
        tensors (Iterable): Pairs of name and tensor, in any order.

    Returns:
        bytes: 32 bytes, the same on every machine.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.digest()
