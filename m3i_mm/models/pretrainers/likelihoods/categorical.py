"""Boltzmann distribution over all there is to choose from."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from ..targets import Choices
from .base import Tempered, per_image

__all__ = ['Boltzmann', 'Categorical']


@MODELS.register_module()
class Categorical(Tempered):
    r"""Which of all candidates it is (paper section 1.3).

    .. math::
        P(z_i | \hat z) = \frac{\pi_i \exp(\hat z^T z_i / \tau)}
        {\sum_j \pi_j \exp(\hat z^T z_j / \tau)}

    over the M candidates z, with the prior :math:`\pi` of the target: a
    classifier whose weights are the candidates.

    Args:
        temperature (float): :math:`\tau`. Defaults to 1.
        learnable (bool): Whether to learn the temperature. Defaults to False.
        min_temperature (float): Bound of a learned temperature.
            Defaults to 0.01.
        normalize (bool): Whether predictions and candidates are scaled to
            unit length. Defaults to False.
        label_smoothing (float): Share of the probability that is spread over
            all candidates. Defaults to 0.
    """

    scores: ClassVar[type] = Choices

    def __init__(
        self,
        temperature: float = 1.0,
        learnable: bool = False,
        min_temperature: float = 0.01,
        normalize: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(temperature, learnable, min_temperature, normalize)
        self.label_smoothing = label_smoothing

    def forward(self, predictions: Tensor, target: Choices) -> Tensor:
        """Compute the loss of each image.

        Args:
            predictions (Tensor): ``(P, C)`` or ``(P, T, C)``.
            target (Choices): The targets.

        Returns:
            Tensor: Negative log-likelihoods, ``(P, )``.
        """
        logits = self._scale(predictions) @ self._scale(target.candidates).T
        logits = logits / self.temperature
        if target.prior is not None:
            logits = logits + target.prior
        losses = F.cross_entropy(
            logits.flatten(0, -2),
            target.index.flatten(),
            reduction='none',
            label_smoothing=self.label_smoothing,
        )
        return per_image(losses.view(target.index.shape))


@MODELS.register_module()
class Boltzmann(BaseModule):
    """The old name of :class:`Categorical` and :class:`Contrast`.

    Raises:
        ValueError: Always; names the new ones.
    """

    def __init__(self, **kwargs: Any) -> NoReturn:
        raise ValueError(
            'The likelihood Boltzmann is now two, each with its own arguments:'
            " set likelihood.type to 'Categorical' for CategoryTarget and "
            "CodeTarget (label_smoothing), or to 'Contrast' for TextTarget "
            'and features of images (negatives, symmetric)'
        )
