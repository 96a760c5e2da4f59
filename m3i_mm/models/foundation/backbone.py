"""A foundation model as a backbone that goes on learning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.registry import MODELS

from .base import FoundationModel
from .layers import number_layers
from .loading import PUBLISHED, load_foundation_model
from .pixels import IMAGENET, Renormalize

__all__ = ['FoundationBackbone']


@MODELS.register_module()
class FoundationBackbone(BaseModule):
    """A Vision Transformer of timm, open_clip or Transformers.

    It starts from published weights and goes on learning; register tokens,
    rotary positions and the way positions are resized are the library's. A
    ``Teacher`` of the same name is its frozen start, an anchor. Images come
    in the normalisation of the training and are given in that of the model.

    Args:
        name (str): See :func:`load_foundation_model`.
        weights (str, optional): Likewise. Defaults to ``'published'``.
        size (int, optional): Side of the images where the model takes one
            size only (open_clip): its positions are resized once.
        pixels (tuple): Mean and standard deviation, of 0 to 255, by which
            images are normalised. Defaults to those of ImageNet.

    Attributes:
        embed_dims (int): Channels of the map.

    Raises:
        FoundationModelError: If there is no such model.
    """

    def __init__(
        self,
        name: str,
        weights: str | None = PUBLISHED,
        size: int | None = None,
        pixels: tuple[Sequence[float], Sequence[float]] = IMAGENET,
    ) -> None:
        super().__init__()
        with torch.device('cpu'):  # files are read, whatever the model is on
            self.model = load_foundation_model(name, weights, size)
            self.pixels = Renormalize(pixels, self.model.mean, self.model.std)
            self.embed_dims = self._freeze_unused()
        names = [n for n, _ in self.model.network.named_parameters()]
        self._depths = number_layers(names, self.model.group_matcher())
        self.train()

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Compute the map of the patches, after the final norm.

        Args:
            images (Tensor): ``(B, 3, H, W)``.

        Returns:
            tuple[Tensor]: One map, ``(B, C, h, w)``.
        """
        return (self.model(self.pixels(images)).map,)

    def init_weights(self) -> None:
        """Do nothing: the weights are loaded."""

    def get_layer_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning-rate decay.

        Args:
            param_name (str): Name of the parameter in the whole model.
            prefix (str): Prefix of this backbone, e.g. ``'backbone.'``.

        Returns:
            tuple[int, int]: The depth and the number of depths; what is not
            of the network has the last.
        """
        last = max(self._depths.values()) + 1
        inner = param_name.removeprefix(f'{prefix}model.network.')
        return self._depths.get(inner, last), last + 1

    def _freeze_unused(self) -> int:
        """Freeze what the map does not come from; return its channels.

        Distributed training waits for the gradient of every parameter, and
        the projection of CLIP, say, has none.
        """
        model: FoundationModel = self.model
        side = model.size or 2 * (model.stride or 32)
        features = model(torch.zeros(2, 3, side, side)).map
        parameters = list(model.parameters())
        gradients = torch.autograd.grad(
            features.sum(), parameters, allow_unused=True
        )
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(gradient is not None)
        return features.shape[1]
