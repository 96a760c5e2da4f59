"""Attention pooling: tokens to one vector by their mean's question.

The head of InternImage-H and -G, and the decoder of M3I Pre-training that
predicts one target from a subset of the tokens (arXiv 2211.09807, section
3.3). Parameters are named as ``clip_projector`` in the official checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .norm import build_norm

__all__ = ['AttentionPooling', 'masked_mean']


def masked_mean(tokens: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over the tokens, or over those that a mask keeps.

    Args:
        tokens (Tensor): (B, L, C).
        mask (Tensor, optional): (B, L), boolean, True for a token to keep.

    Returns:
        Tensor: (B, C).
    """
    if mask is None:
        return tokens.mean(dim=1)
    weight = mask.unsqueeze(-1).to(tokens.dtype)  # (B, L, 1)
    return (tokens * weight).sum(dim=1) / weight.sum(dim=1)


class CrossAttention(nn.Module):
    """Multi-head attention with separate projections and biases.

    Args:
        channels (int): Width C of queries, keys and values.
        num_heads (int): Number of heads h.
        out_channels (int): Width of the output.
    """

    def __init__(
        self, channels: int, num_heads: int, out_channels: int
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(channels, channels, bias=False)
        self.k = nn.Linear(channels, channels, bias=False)
        self.v = nn.Linear(channels, channels, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(channels))
        # Softmax cancels it; it is here because the official files have it.
        self.k_bias = nn.Parameter(torch.zeros(channels))
        self.v_bias = nn.Parameter(torch.zeros(channels))
        self.proj = nn.Linear(channels, out_channels)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attend.

        Args:
            query (Tensor): (B, M, C).
            key (Tensor): (B, L, C).
            value (Tensor): (B, L, C).
            mask (Tensor, optional): (B, L), boolean, True for keys to use.

        Returns:
            Tensor: (B, M, out_channels).
        """
        q = self._heads(self.q(query) + self.q_bias)
        k = self._heads(self.k(key) + self.k_bias)
        v = self._heads(self.v(value) + self.v_bias)
        if mask is not None:
            mask = mask[:, None, None]  # (B, L) -> (B, 1, 1, L)
        out = nn.functional.scaled_dot_product_attention(q, k, v, mask)
        return self.proj(out.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """(B, L, C) -> (B, h, L, C / h)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class AttentionPooling(nn.Module):
    """Pool tokens with their mean as the only query.

    Query, keys and values have a LayerNorm each.

    Args:
        in_channels (int): Width C of the tokens.
        num_heads (int): Number of attention heads.
        out_channels (int, optional): Width of the result. Defaults to C.

    Raises:
        ValueError: If ``in_channels`` is not divisible by ``num_heads``.
    """

    def __init__(
        self,
        in_channels: int,
        num_heads: int = 16,
        out_channels: int | None = None,
    ) -> None:
        super().__init__()
        if in_channels % num_heads:
            raise ValueError(
                f'in_channels must be divisible by num_heads, got '
                f'{in_channels} channels and {num_heads} heads'
            )
        self.norm1_q = build_norm(in_channels)
        self.norm1_k = build_norm(in_channels)
        self.norm1_v = build_norm(in_channels)
        self.cross_dcn = CrossAttention(
            in_channels, num_heads, out_channels or in_channels
        )

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool.

        Args:
            tokens (Tensor): (B, L, C).
            mask (Tensor, optional): (B, L), boolean: pool only the tokens
                where it is True, at least one for each sample.

        Returns:
            Tensor: (B, out_channels).
        """
        query = masked_mean(tokens, mask).unsqueeze(1)  # (B, 1, C)
        pooled = self.cross_dcn(
            self.norm1_q(query),
            self.norm1_k(tokens),
            self.norm1_v(tokens),
            mask,
        )
        return pooled.squeeze(1)  # (B, 1, out) -> (B, out)
