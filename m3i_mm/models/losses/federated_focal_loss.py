r"""Federated loss for long-tailed, partly labelled categories.

In LVIS an image is annotated exhaustively for a few categories only, so most
of its 1203 categories must not count as negatives. Each call keeps the
categories that occur in the batch and draws others, with probability
proportional to a power of how many images they occur in, until there are
``num_classes_kept`` (Zhou et al., "Probabilistic two-stage detection", 2021,
section 5; LVIS uses 50 classes and power 0.5). InternImage's released LVIS
configs name this loss, but their code never reads it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

from m3i_mm.registry import MODELS

__all__ = ['FederatedFocalLoss', 'read_class_frequency']


def read_class_frequency(path: str | Path) -> list[int]:
    """Read in how many images each category occurs.

    Args:
        path (str | Path): JSON file with LVIS categories: either an LVIS
            annotation file or only the list under its key ``categories``.

    Returns:
        list[int]: ``image_count`` of the categories in order of their ``id``,
        which is the order of the labels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no categories with ``image_count``.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'The federated loss needs the class frequencies in {path}, '
            'which does not exist. Point `class_frequency` of the loss to '
            'the LVIS training annotations.'
        )
    content = json.loads(path.read_text())
    if isinstance(content, dict):
        content = content.get('categories', [])
    try:
        categories = sorted(content, key=lambda category: category['id'])
        return [category['image_count'] for category in categories]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'{path} is not in LVIS format: its categories must have `id` '
            f'and `image_count` ({error!r}).'
        ) from error


@MODELS.register_module()
class FederatedFocalLoss(nn.Module):
    """Sigmoid focal loss over a sampled subset of the categories.

    It fits DETR-like heads, which ask ``use_sigmoid``, and the box heads of
    two-stage detectors, which ask for the number of classification channels
    and for the activation.

    Args:
        class_frequency (str | Sequence[float]): In how many images each
            category occurs, or a file for :func:`read_class_frequency`. A file
            is read at the first loss, so inference does not need it.
        num_classes_kept (int): Categories kept per call, those in the batch
            included. More are kept if more occur.
        power (float): Exponent of the frequency as sampling weight.
        gamma (float): Focusing parameter of the focal loss; 0 is plain binary
            cross-entropy.
        alpha (float): Weight of positives against negatives in [0, 1], or -1
            for none.
        loss_weight (float): Factor of the loss.
    """

    use_sigmoid = True
    # what MMDetection's box heads ask a loss with its own activation
    custom_cls_channels = True
    custom_activation = True
    custom_accuracy = True

    def __init__(
        self,
        class_frequency: str | Sequence[float],
        num_classes_kept: int = 50,
        power: float = 0.5,
        gamma: float = 2.0,
        alpha: float = 0.25,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.class_frequency = class_frequency
        self.num_classes_kept = num_classes_kept
        self.power = power
        self.gamma = gamma
        self.alpha = alpha
        self.loss_weight = loss_weight
        self._sampling_weights: Tensor | None = None

    def sampling_weights(self, num_classes: int) -> Tensor:
        """Return the unnormalised sampling probability of each category.

        Args:
            num_classes (int): Number of categories of the head.

        Returns:
            Tensor: (num_classes,), frequency to the power ``power``.

        Raises:
            ValueError: If the frequencies are of another number of categories.
        """
        if self._sampling_weights is None:
            frequency = self.class_frequency
            if isinstance(frequency, str):
                frequency = read_class_frequency(frequency)
            counts = torch.as_tensor(frequency, dtype=torch.float)
            self._sampling_weights = counts**self.power
        if len(self._sampling_weights) != num_classes:
            raise ValueError(
                f'class_frequency has {len(self._sampling_weights)} '
                f'categories, but the head predicts {num_classes}.'
            )
        return self._sampling_weights

    def sample_classes(self, labels: Tensor, num_classes: int) -> Tensor:
        """Choose the categories of one call.

        Args:
            labels (Tensor): (N,) long; ``num_classes`` marks background.
            num_classes (int): Number of categories of the head.

        Returns:
            Tensor: Sorted indices of the chosen categories: all that occur in
            ``labels`` and others up to ``num_classes_kept``.
        """
        occurring = labels[labels < num_classes].unique()
        weights = self.sampling_weights(num_classes).to(labels.device)
        weights = weights.index_fill(0, occurring, 0)
        missing = self.num_classes_kept - len(occurring)
        missing = min(missing, int(weights.count_nonzero()))
        if missing <= 0:
            return occurring
        others = torch.multinomial(weights, missing)
        return torch.cat([occurring, others]).sort().values

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Compute the loss.

        Args:
            cls_score (Tensor): Logits, (N, C).
            label (Tensor): (N,) long; C marks background.
            weight (Tensor, optional): Weight of each prediction, (N,).
            avg_factor (float | Tensor, optional): Divisor of the sum. Defaults
                to N.
            reduction_override (str, optional): Only ``None`` and ``'mean'``,
                which are the same here.

        Returns:
            Tensor: Scalar.

        Raises:
            ValueError: On another ``reduction_override``.
        """
        if reduction_override not in (None, 'mean'):
            raise ValueError(
                'FederatedFocalLoss only averages, got reduction_override='
                f'{reduction_override!r}'
            )
        num_classes = cls_score.shape[1]
        chosen = self.sample_classes(label, num_classes)
        target = (label[:, None] == chosen).to(cls_score)  # (N, kept)
        loss = sigmoid_focal_loss(
            cls_score[:, chosen], target, self.alpha, self.gamma
        )
        if weight is not None:
            loss = loss * weight[:, None]
        divisor = len(label) if avg_factor is None else avg_factor
        return self.loss_weight * loss.sum() / divisor

    def get_cls_channels(self, num_classes: int) -> int:
        """Return the channels of a classifier: no background channel."""
        return num_classes

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Turn logits (N, C) to scores (N, C + 1), background last and 0."""
        scores = cls_score.sigmoid()
        return torch.cat([scores, scores.new_zeros(len(scores), 1)], dim=1)

    def get_accuracy(
        self, cls_score: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Return the accuracy of the foreground predictions in percent."""
        foreground = labels < cls_score.shape[1]
        correct = cls_score[foreground].argmax(1) == labels[foreground]
        # an empty mean is NaN, which would poison the log
        total = correct.sum() / max(len(correct), 1)
        return {'acc_classes': 100 * total}
