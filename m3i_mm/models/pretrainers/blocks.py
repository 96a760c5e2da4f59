"""Transformer blocks of the decoder."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import build_norm_layer
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ['TokenNorm', 'TransformerBlock']


class TokenNorm(nn.Module):
    """Normalises tokens with any norm layer of MMCV.

    Batch norms see ``(B * N, C)``: statistics over batch and tokens, as in
    the decoder of SiameseIM.

    Args:
        norm_cfg (dict): Config of the norm layer, e.g. ``dict(type='LN')`` or
            ``dict(type='BN1d')``.
        dims (int): Width C.
    """

    def __init__(self, norm_cfg: dict[str, Any], dims: int) -> None:
        super().__init__()
        self.norm = build_norm_layer(norm_cfg, dims)[1]

    def forward(self, tokens: Tensor) -> Tensor:
        """Normalise tokens ``(B, N, C)``."""
        # (B, N, C) -> (B * N, C) -> (B, N, C)
        return self.norm(tokens.flatten(0, 1)).view_as(tokens)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and MLP.

    Args:
        dims (int): Width C.
        num_heads (int): Attention heads, dividing C.
        mlp_ratio (float): Hidden width of the MLP over C. Defaults to 4.
        norm_cfg (dict, optional): Config of both norm layers. Defaults to
            layer norm with eps 1e-6.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        norm_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        norm_cfg = norm_cfg or dict(type='LN', eps=1e-6)
        self.num_heads = num_heads
        self.norm1 = TokenNorm(norm_cfg, dims)
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)
        self.norm2 = TokenNorm(norm_cfg, dims)
        hidden = int(dims * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(dims, hidden), nn.GELU(), nn.Linear(hidden, dims)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens ``(B, N, C)``."""
        tokens = tokens + self._attend(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))

    def _attend(self, tokens: Tensor) -> Tensor:
        # (B, N, 3 * C) -> 3 x (B, heads, N, C / heads)
        qkv = self.qkv(tokens).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        # (B, heads, N, C / heads) -> (B, N, C)
        return self.proj(attended.transpose(1, 2).flatten(2))
