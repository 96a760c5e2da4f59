"""k-nearest-neighbour classification by cosine similarity."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .chunks import MAX_ELEMENTS, row_chunks

__all__ = ['knn_scores']


@torch.no_grad()
def knn_scores(
    queries: Tensor,
    bank: Tensor,
    bank_labels: Tensor,
    num_classes: int,
    k: int = 10,
    temperature: float | None = 0.07,
    max_elements: int = MAX_ELEMENTS,
    leave_one_out: bool = False,
) -> Tensor:
    """Let the k most similar bank features vote for the class of each query.

    A neighbour of cosine similarity ``s`` has the weight ``exp(s / T)``, as
    in instance discrimination (Wu et al., CVPR 2018) and DINO; without a
    temperature each neighbour has one vote.

    Args:
        queries (Tensor): Features to classify, (Q, C).
        bank (Tensor): Features of known class, (N, C).
        bank_labels (Tensor): Their classes, (N,), in ``0 .. num_classes - 1``.
        num_classes (int): Number of classes K.
        k (int): Number of neighbours.
        temperature (float, optional): T above. None gives the plain vote.
        max_elements (int): Most similarities held at a time.
        leave_one_out (bool): Whether the queries are the bank, row by row:
            then a feature is no neighbour of itself.

    Returns:
        Tensor: Votes, (Q, K).

    Raises:
        ValueError: If ``k`` is not in ``1 .. N``, or ``1 .. N - 1`` where
            one is left out.
    """
    most = len(bank) - leave_one_out
    if not 1 <= k <= most:
        raise ValueError(
            f'k={k} neighbours were asked of a bank of {most} features; '
            f'choose k between 1 and {most}.'
        )
    bank = F.normalize(bank, dim=1)
    scores = []
    for rows in row_chunks(len(queries), len(bank), max_elements):
        similarity = F.normalize(queries[rows], dim=1) @ bank.T  # (q, N)
        if leave_one_out:
            itself = torch.arange(len(similarity), device=similarity.device)
            similarity[itself, itself + rows.start] = -torch.inf
        nearest, index = similarity.topk(k, dim=1)  # (q, k)
        if temperature is None:
            weights = torch.ones_like(nearest)
        else:
            # dividing by the largest weight changes no ranking and keeps a
            # small temperature from overflowing
            weights = ((nearest - nearest[:, :1]) / temperature).exp()
        votes = weights.new_zeros(len(weights), num_classes)
        scores.append(votes.scatter_add_(1, bank_labels[index], weights))
    if not scores:
        return queries.new_zeros(0, num_classes)
    return torch.cat(scores)
