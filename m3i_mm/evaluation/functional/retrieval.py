"""Retrieval by cosine similarity: ranks, recall and the recall of chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .chunks import MAX_ELEMENTS, row_chunks

__all__ = ['best_ranks', 'chance_recall', 'nearest', 'recall_at']


@torch.no_grad()
def best_ranks(
    queries: Tensor,
    gallery: Tensor,
    relevance: Callable[[slice], Tensor],
    max_elements: int = MAX_ELEMENTS,
) -> Tensor:
    """Rank of the best relevant gallery item of each query, 1 = first.

    Irrelevant items of equal similarity count as ranked before it, so a
    collapsed model, whose features are all the same, scores nothing.

    Args:
        queries (Tensor): Features, (Q, C).
        gallery (Tensor): Features, (G, C).
        relevance (Callable): Gives for a range of queries the Boolean matrix
            (q, G) of the gallery items that are right answers.
        max_elements (int): Most similarities held at a time.

    Returns:
        Tensor: Ranks, (Q,), long; ``G + 1`` where nothing is relevant.
    """
    gallery = F.normalize(gallery, dim=1)
    ranks = torch.empty(len(queries), dtype=torch.long, device=queries.device)
    for rows in row_chunks(len(queries), len(gallery), max_elements):
        similarity = F.normalize(queries[rows], dim=1) @ gallery.T  # (q, G)
        relevant = relevance(rows)  # (q, G)
        best = similarity.masked_fill(~relevant, -torch.inf).amax(1)  # (q,)
        ahead = (similarity >= best[:, None]) & ~relevant
        ranks[rows] = 1 + ahead.sum(1)
    return ranks


@torch.no_grad()
def nearest(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
    """Find the most similar gallery items of a few queries.

    Args:
        queries (Tensor): Features, (Q, C).
        gallery (Tensor): Features, (G, C).
        k (int): Number of items; fewer if the gallery is smaller.

    Returns:
        Tensor: Gallery rows, (Q, k), the most similar first.
    """
    similarity = F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T
    return similarity.topk(min(k, len(gallery)), dim=1).indices


def recall_at(ranks: Tensor, topk: Sequence[int]) -> dict[int, float]:
    """Share of the queries with a right answer among the first k.

    Args:
        ranks (Tensor): Ranks of the best right answers, (Q,), 1 = first.
        topk (Sequence[int]): Values of k.

    Returns:
        dict[int, float]: Recall in percent for every k.
    """
    return {k: 100 * (ranks <= k).double().mean().item() for k in topk}


def chance_recall(positives: Tensor, size: int, k: int) -> float:
    """Expected recall of a ranking drawn at random.

    A query with P right answers among G finds none of them in the first k
    with probability ``prod_{i<k} (G - P - i) / (G - i)``.

    Args:
        positives (Tensor): Number of right answers P of each query, (Q,).
        size (int): Size G of the gallery.
        k (int): Length of the list that is looked at.

    Returns:
        float: Recall in percent.
    """
    draws = torch.arange(min(k, size), dtype=torch.float64)
    wrong = size - positives.double().cpu()[:, None] - draws  # (Q, k)
    miss = (wrong.clamp(min=0) / (size - draws)).prod(1)
    return 100 * (1 - miss).mean().item()
