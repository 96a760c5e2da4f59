"""Focal loss of sigmoid and of softmax classifiers, forward and backward.

``FL(p) = -alpha (1 - p)^gamma log p`` (Lin et al., ICCV 2017, equation 5),
with the logarithm bounded below by that of the smallest normal float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32

__all__ = [
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
]


def _log(probability: Tensor) -> Tensor:
    return probability.clamp(min=torch.finfo(torch.float32).tiny).log()


def _positives(input: Tensor, target: Tensor) -> Tensor:
    """Mark, (N, C) bool, the class of each row; none for the background."""
    classes = torch.arange(input.shape[1], device=input.device)
    return target[:, None] == classes


def _weighted(value: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Scale rows by the weight of their class; no weights are all ones."""
    if weight.numel() == 0:
        return value
    rows = weight[target]  # (N,)
    return value * (rows if value.dim() == 1 else rows[:, None])


def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the loss of every class of every row into ``output``.

    Args:
        input (Tensor): (N, C) logits.
        target (Tensor): (N,) int64, class in [0, C); C is the background.
        weight (Tensor): (C,) class weights, or empty.
        output (Tensor): (N, C). Output.
        gamma (float): Focusing exponent.
        alpha (float): Weight of the positives; negatives weigh 1 - alpha.
    """
    p = at_least_float32(input).sigmoid()
    positive = -alpha * (1 - p) ** gamma * _log(p)
    negative = -(1 - alpha) * p**gamma * _log(1 - p)
    loss = torch.where(_positives(input, target), positive, negative)
    output.copy_(_weighted(loss, target, weight))


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the derivative of each loss by its logit into ``grad_input``.

    Arguments as of :func:`sigmoid_focal_loss_forward`; ``grad_input`` (N, C)
    is the output.
    """
    p = at_least_float32(input).sigmoid()
    q = 1 - p
    positive = -alpha * q**gamma * (q - gamma * p * _log(p))
    negative = -(1 - alpha) * p**gamma * (gamma * q * _log(q) - p)
    grad = torch.where(_positives(input, target), positive, negative)
    grad_input.copy_(_weighted(grad, target, weight))


def _target_probability(softmax: Tensor, target: Tensor) -> Tensor:
    """Return the probability, (N,), of the target; any where it is ignored."""
    return softmax.gather(1, target.clamp(min=0)[:, None])[:, 0]


def softmax_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the loss of every row into ``output``.

    Args:
        input (Tensor): (N, C) probabilities, the softmax of the logits.
        target (Tensor): (N,) int64, class in [0, C), negative to ignore.
        weight (Tensor): (C,) class weights, or empty.
        output (Tensor): (N,). Output.
        gamma (float): Focusing exponent.
        alpha (float): Factor of the loss.
    """
    p = _target_probability(at_least_float32(input), target)
    loss = -alpha * (1 - p) ** gamma * _log(p)
    loss = torch.where(target >= 0, loss, 0)
    output.copy_(_weighted(loss, target, weight))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the derivatives by the logits into ``grad_input``.

    Arguments as of :func:`softmax_focal_loss_forward`. ``buff`` (N,) takes
    the derivative by the target's logit divided by ``1 - p``, ``grad_input``
    (N, C) the result.
    """
    softmax = at_least_float32(input)
    p = _target_probability(softmax, target)
    q = 1 - p
    slope = alpha * (gamma * q ** (gamma - 1) * p * _log(p) - q**gamma)
    slope = torch.where(target >= 0, slope, 0)
    buff.copy_(_weighted(slope, target, weight))
    one_hot = F.one_hot(target.clamp(min=0), softmax.shape[1])
    grad_input.copy_(buff[:, None] * (one_hot - softmax))
