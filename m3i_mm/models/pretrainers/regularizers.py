"""Terms that keep the representation of a Gaussian target from collapsing."""

from __future__ import annotations

from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor

from m3i_mm.registry import MODELS

from .distributed import global_sum

__all__ = ['UniGradTerm']


@MODELS.register_module()
class UniGradTerm(BaseModule):
    """The negative term of UniGrad, as SiameseIM uses it on dense features.

    ``p^T C p``, C the mean of ``t t^T`` over all tokens of all devices: the
    prediction is pushed away from the directions that targets share (Tao et
    al., Exploring the Equivalence of Siamese Self-Supervised Learning).

    Args:
        weight (float): Weight of the term. Defaults to 0.02.
    """

    def __init__(self, weight: float = 0.02) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Compute the term.

        Args:
            predictions (Tensor): ``(P, T, C)``.
            targets (Tensor): ``(P, T, C)``.

        Returns:
            Tensor: Value of each token, ``(P, T)``.
        """
        flat = targets.detach().flatten(0, 1)  # (P * T, C)
        correlation = global_sum(flat.T @ flat)
        correlation = correlation / (len(flat) * get_world_size())
        projected = predictions @ correlation
        return self.weight * (projected * predictions).sum(-1)
