"""DCNv3 in slow loops of NumPy float64, and settings to try it with."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Setting(NamedTuple):
    kernel_size: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1
    offset_scale: float = 1.0
    remove_center: bool = False


SETTINGS = [
    Setting(),
    Setting(groups=3),
    Setting(stride=2, groups=2),
    Setting(padding=0, groups=2),
    Setting(kernel_size=1, padding=0, groups=2),
    Setting(kernel_size=2, groups=2),
    Setting(kernel_size=2, padding=0, dilation=3),
    Setting(kernel_size=5, padding=2, groups=2),
    Setting(dilation=2, padding=2, groups=2, offset_scale=0.5),
    Setting(dilation=3, padding=3, stride=2),
    Setting(groups=2, offset_scale=2.0),
    Setting(groups=2, offset_scale=2.0, remove_center=True),
    Setting(kernel_size=5, padding=4, dilation=2, remove_center=True),
    Setting(kernel_size=3, stride=3, padding=2, groups=2, offset_scale=0.7),
]


def taps_of(setting):
    """Return (column, row) of each tap, the column being the slow index."""
    K = setting.kernel_size
    taps = [(i, j) for i in range(K) for j in range(K)]
    if setting.remove_center:
        taps.remove((K // 2, K // 2))
    return taps


def output_size(size, setting):
    reach = setting.dilation * (setting.kernel_size - 1) + 1
    return (size + 2 * setting.padding - reach) // setting.stride + 1


def make_inputs(setting, seed=0, batch=2, size=(5, 7), group_channels=3):
    """Return input, offset, mask and output gradient, far and near taps."""
    random = np.random.default_rng(seed)
    height, width = size
    rows = (
        batch,
        output_size(height, setting),
        output_size(width, setting),
    )
    points = setting.groups * len(taps_of(setting))
    channels = setting.groups * group_channels
    offset = random.normal(size=(*rows, points * 2)) * 2
    # some taps far outside of the image
    offset[random.random(offset.shape) < 0.05] += 40
    return (
        random.normal(size=(batch, height, width, channels)),
        offset,
        random.normal(size=(*rows, points)),
        random.normal(size=(*rows, channels)),
    )


def visits(input, offset, mask, setting):
    """Yield (n, oy, ox, channels, tap index, x, y) of every sampling."""
    groups, taps = setting.groups, taps_of(setting)
    half = setting.dilation * (setting.kernel_size - 1) // 2
    scale = setting.offset_scale
    per_group = input.shape[-1] // groups
    for n, oy, ox in np.ndindex(mask.shape[:3]):
        cx = ox * setting.stride - setting.padding + half
        cy = oy * setting.stride - setting.padding + half
        for g in range(groups):
            channels = slice(g * per_group, (g + 1) * per_group)
            for p, (i, j) in enumerate(taps):
                k = g * len(taps) + p
                dx, dy = offset[n, oy, ox, 2 * k : 2 * k + 2]
                x = cx + scale * (i * setting.dilation - half + dx)
                y = cy + scale * (j * setting.dilation - half + dy)
                yield n, oy, ox, channels, k, x, y


def corners(x, y, height, width, side='right'):
    """Yield the pixels around (x, y), their weight and its derivatives.

    On an exactly integer coordinate the derivatives are those to the given
    side of it.
    """
    if side == 'right':
        left, top = math.floor(x), math.floor(y)
    else:
        left, top = math.ceil(x) - 1, math.ceil(y) - 1
    for px, wx, sx in ((left, left + 1 - x, -1), (left + 1, x - left, 1)):
        for py, wy, sy in ((top, top + 1 - y, -1), (top + 1, y - top, 1)):
            if 0 <= px < width and 0 <= py < height:
                yield px, py, wx * wy, sx * wy, wx * sy


def dcnv3_loops(input, offset, mask, setting):
    """Return the output."""
    output = np.zeros((*mask.shape[:3], input.shape[-1]))
    height, width = input.shape[1:3]
    for n, oy, ox, channels, k, x, y in visits(input, offset, mask, setting):
        for px, py, weight, _, _ in corners(x, y, height, width):
            output[n, oy, ox, channels] += (
                mask[n, oy, ox, k] * weight * input[n, py, px, channels]
            )
    return output


def dcnv3_loops_gradients(
    input, offset, mask, grad_output, setting, side='right'
):
    """Return the gradients of input, offset and mask."""
    grad_input, grad_offset, grad_mask = map(
        np.zeros_like, (input, offset, mask)
    )
    height, width = input.shape[1:3]
    for n, oy, ox, channels, k, x, y in visits(input, offset, mask, setting):
        grad = grad_output[n, oy, ox, channels]
        m = mask[n, oy, ox, k]
        slopes = np.zeros(2)
        for px, py, weight, wx, wy in corners(x, y, height, width, side):
            dot = grad @ input[n, py, px, channels]
            grad_input[n, py, px, channels] += m * weight * grad
            grad_mask[n, oy, ox, k] += weight * dot
            slopes += m * dot * np.array([wx, wy])
        grad_offset[n, oy, ox, 2 * k : 2 * k + 2] = (
            setting.offset_scale * slopes
        )
    return grad_input, grad_offset, grad_mask


def columns_of(setting, layout):
    """Return the columns of offsets, masks and gates, and their number."""
    G, P = setting.groups, len(taps_of(setting))
    if layout.by_group:
        step = 3 * P + layout.gate
        first = step * np.arange(G)[:, None]
        return (
            (first + np.arange(2 * P)).ravel(),
            (first + 2 * P + np.arange(P)).ravel(),
            first.ravel() + 3 * P if layout.gate else np.arange(0),
            step * G,
        )
    ends = 2 * G * P, 3 * G * P, (3 * P + layout.gate) * G
    return (
        np.arange(ends[0]),
        np.arange(ends[0], ends[1]),
        np.arange(ends[1], ends[2]),
        ends[2],
    )


def make_prediction(setting, layout, padding=3, **settings):
    """Return input, prediction and output gradient."""
    input, offset, mask, grad_output = make_inputs(setting, **settings)
    columns = columns_of(setting, layout)
    prediction = np.random.default_rng(1).normal(
        size=(*mask.shape[:3], columns[3] + padding)
    )
    prediction[..., columns[0]] = offset
    prediction[..., columns[1]] = mask
    return input, prediction, grad_output


def prediction_loops(input, prediction, grad_output, setting, layout):
    """Return the output, and the gradients of input and prediction."""
    of_offset, of_mask, of_gate, _ = columns_of(setting, layout)
    offset, mask = prediction[..., of_offset], prediction[..., of_mask]
    by_group = (*mask.shape[:3], setting.groups, -1)
    if layout.softmax:
        exponentials = np.exp(mask.reshape(by_group))
        mask = exponentials / exponentials.sum(-1, keepdims=True)
        mask = mask.reshape(*by_group[:3], -1)
    share, center = 0, np.zeros_like(grad_output)
    centers = (slice(None), *(slice(None, None, setting.stride),) * 2)
    if layout.gate:
        share = 1 / (1 + np.exp(-prediction[..., of_gate]))
        share = share.repeat(grad_output.shape[-1] // setting.groups, -1)
        center = input[centers]
    sampled = dcnv3_loops(input, offset, mask, setting)
    grad_input, grad_offset, grad_mask = dcnv3_loops_gradients(
        input, offset, mask, (1 - share) * grad_output, setting
    )
    if layout.softmax:
        change = (mask * grad_mask).reshape(by_group)
        total = change.sum(-1, keepdims=True)
        grad_mask = change - mask.reshape(by_group) * total
    grad_prediction = np.zeros_like(prediction)
    grad_prediction[..., of_offset] = grad_offset
    grad_prediction[..., of_mask] = grad_mask.reshape(mask.shape)
    if layout.gate:
        grad_input[centers] += share * grad_output
        slope = grad_output * (center - sampled) * share * (1 - share)
        grad_prediction[..., of_gate] = slope.reshape(by_group).sum(-1)
    return (
        sampled + share * (center - sampled),
        grad_input,
        grad_prediction,
    )
