"""f_psi: from what the encoder saw to the predicted target z^_y.

Every decoder takes the tokens that speak of an image and the places of dense
targets, None for global ones, and returns predictions: ``(P, T, C)`` for
dense targets, ``(P, C)`` for global ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from ..utils.attention_pooling import AttentionPooling
from .blocks import TokenNorm, TransformerBlock
from .places import Places
from .positions import grid_coordinates, grid_embedding, relative_embedding
from .tokens import ImageTokens, gather_tokens

__all__ = [
    'AttentionPoolingDecoder',
    'DenseDecoder',
    'PoolingDecoder',
    'TransformerDecoder',
]


class _Layers(BaseModule):
    """Projector or predictor layers, in the neck convention of MMPretrain.

    Args:
        layers (Sequence[dict]): Configs of modules that map a tuple of
            ``(B, C)`` to such a tuple, e.g. ``NonLinearNeck`` (an MLP) or
            ``LinearNeck``. None at all is the identity.
    """

    def __init__(self, layers: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__()
        self.layers = ModuleList(MODELS.build(cfg) for cfg in layers)

    def apply_layers(self, features: Tensor) -> Tensor:
        """Map features ``(B, C)``."""
        for layer in self.layers:
            features = layer((features,))[-1]
        return features


@MODELS.register_module()
class PoolingDecoder(_Layers):
    """Averages the tokens, then applies layers: GAP, linear or MLP.

    Args:
        layers (Sequence[dict]): See :class:`_Layers`. Set
            ``with_avg_pool=False`` or ``gap_dim=0`` in them.
    """

    def forward(
        self, tokens: ImageTokens, places: Places | None = None
    ) -> Tensor:
        """Predict a global target ``(P, C)``; places are not used."""
        return self.apply_layers(tokens.mean())


@MODELS.register_module()
class DenseDecoder(_Layers):
    """Predicts each dense target from the token at its place.

    Args:
        layers (Sequence[dict]): See :class:`_Layers`.
    """

    def forward(
        self, tokens: ImageTokens, places: Places | None = None
    ) -> Tensor:
        """Predict dense targets.

        Args:
            tokens (ImageTokens): Tokens of the whole grid, ``(P, L, C)``.
            places (Places): Its ``cells`` predict the targets, ``(P, T)``.

        Returns:
            Tensor: Predictions of shape ``(P, T, C')``.

        Raises:
            ValueError: If tokens and targets do not correspond.
        """
        cells = None if places is None else places.cells
        if cells is None or tokens.values.shape[1] != (
            tokens.grid[0] * tokens.grid[1]
        ):
            raise ValueError(
                'DenseDecoder predicts each target from the token at its '
                'place, so the input must keep every token and the target '
                'must be of the same view and grid, or MatchedFeatures: use '
                'TransformerDecoder otherwise'
            )
        values = gather_tokens(tokens.values, cells)
        # (P, T, C) -> (P * T, C) -> (P, T, C')
        predictions = self.apply_layers(values.flatten(0, 1))
        return predictions.unflatten(0, values.shape[:2])


@MODELS.register_module()
class AttentionPoolingDecoder(BaseModule):
    """Pools the tokens of an image by attention (paper section 4.4).

    Args:
        in_dims (int): Width of the tokens.
        out_dims (int): Width of the prediction.
        num_heads (int): Attention heads. Defaults to 16.
    """

    def __init__(
        self, in_dims: int, out_dims: int, num_heads: int = 16
    ) -> None:
        super().__init__()
        check_heads(in_dims, num_heads)
        self.pool = AttentionPooling(in_dims, num_heads, out_dims)

    def forward(
        self, tokens: ImageTokens, places: Places | None = None
    ) -> Tensor:
        """Predict a global target ``(P, C)``; places are not used."""
        return self.pool(tokens.values)


@MODELS.register_module()
class TransformerDecoder(BaseModule):
    """Predicts dense targets with mask tokens (SiameseIM, MAE).

    Mask tokens that carry the places of the target patches attend, together
    with the tokens of the image, through a few Transformer blocks.

    Args:
        in_dims (int): Width of the tokens.
        out_dims (int): Width of a target.
        embed_dims (int): Width D of the decoder. Defaults to 768.
        depth (int): Number of blocks. Defaults to 4.
        num_heads (int): Attention heads, dividing D. Defaults to 16.
        mlp_ratio (float): Hidden width of the MLPs over D. Defaults to 4.
        norm_cfg (dict, optional): Norm of the blocks, e.g.
            ``dict(type='BN1d')`` for SiameseIM's. Defaults to layer norm.
        relative_scale (bool): Embed place and relative scale of the targets
            by a learned projection of :func:`.relative_embedding`
            (SiameseIM); False adds the plain embedding of the place (MAE).
            Defaults to True.
        class_token (bool): Whether the class token attends too.
            Defaults to False.

    Raises:
        ValueError: If a width does not fit.
    """

    def __init__(
        self,
        in_dims: int,
        out_dims: int,
        embed_dims: int = 768,
        depth: int = 4,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        norm_cfg: dict[str, Any] | None = None,
        relative_scale: bool = True,
        class_token: bool = False,
    ) -> None:
        super().__init__()
        check_heads(embed_dims, num_heads)
        if embed_dims % 4:
            raise ValueError(
                'Position embeddings need embed_dims divisible '
                f'by 4, got {embed_dims}'
            )
        norm_cfg = norm_cfg or dict(type='LN', eps=1e-6)
        self.embed_dims = embed_dims
        self.class_token = class_token
        self.embed = nn.Linear(in_dims, embed_dims)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.position = (
            nn.Linear(2 * embed_dims, embed_dims) if relative_scale else None
        )
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(embed_dims, num_heads, mlp_ratio, norm_cfg)
                for _ in range(depth)
            )
        )
        self.norm = TokenNorm(norm_cfg, embed_dims)
        self.head = nn.Linear(embed_dims, out_dims)
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(
        self, tokens: ImageTokens, places: Places | None = None
    ) -> Tensor:
        """Predict dense targets.

        Args:
            tokens (ImageTokens): Tokens of the image, ``(P, K, C)``.
            places (Places): Places of T targets.

        Returns:
            Tensor: Predictions of shape ``(P, T, out_dims)``.
        """
        if places is None:
            raise ValueError(
                'TransformerDecoder predicts dense targets, but '
                'this target has no places'
            )
        context = self._embed_context(tokens)
        queries = self._embed_queries(places.coordinates)
        queries = queries.to(context.dtype)
        count = queries.shape[1]
        # (P, K + T, D)
        decoded = self.blocks(torch.cat([context, queries], 1))
        return self.head(self.norm(decoded[:, -count:]))

    def _embed_context(self, tokens: ImageTokens) -> Tensor:
        values = self.embed(tokens.values)
        places = grid_embedding(
            grid_coordinates(tokens.grid, values.float()), self.embed_dims
        )
        values = values + places[tokens.indices].to(values.dtype)
        if not self.class_token:
            return values
        if tokens.class_token is None:
            raise ValueError('class_token=True, but the backbone gave none')
        first = self.embed(tokens.class_token)[:, None]
        return torch.cat([first, values], 1)

    def _embed_queries(self, coordinates: Tensor) -> Tensor:
        if self.position is None:
            places = grid_embedding(coordinates, self.embed_dims)
        else:
            places = self.position(
                relative_embedding(coordinates, self.embed_dims)
            )
        return self.mask_token + places


def check_heads(dims: int, num_heads: int) -> None:
    """Raise ValueError if attention heads do not divide a width."""
    if dims % num_heads:
        raise ValueError(
            f'num_heads={num_heads} does not divide the width {dims}'
        )
