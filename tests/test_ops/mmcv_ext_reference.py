"""Definitions of the ops, one box, bin or point at a time, in float64.

All of them are differentiable, so autograd gives the reference gradients.
"""

import math
from itertools import product

import torch


def iou(a, b, offset=0):
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    intersection = max(width, 0) * max(height, 0)
    areas = [(c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b)]
    return intersection / (sum(areas) - intersection)


def nms_groups(boxes, scores, suppressed, offset=0):
    """Indices of each kept box, followed by those that it suppresses."""
    rest = sorted(range(len(boxes)), key=lambda i: -scores[i])
    groups = []
    while rest:
        kept, *rest = rest
        hit = [
            i for i in rest if suppressed(iou(boxes[kept], boxes[i], offset))
        ]
        groups.append([kept, *hit])
        rest = [i for i in rest if i not in hit]
    return groups


def soft_nms(boxes, scores, decay, min_score, offset=0):
    """Indices and scores of the kept boxes; scores must have no ties."""
    scores = dict(enumerate(scores))
    kept = []
    while scores:
        best = max(scores, key=scores.get)
        kept.append((best, scores.pop(best)))
        for i in list(scores):
            scores[i] *= decay(iou(boxes[best], boxes[i], offset))
            if scores[i] < min_score:
                del scores[i]
    return kept


def bilinear(image, y, x):
    """Value of an (H, W) image at a point, with zeros around it."""
    total = image.new_zeros(())
    y_low, x_low = math.floor(y), math.floor(x)
    for row, column in product((y_low, y_low + 1), (x_low, x_low + 1)):
        if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
            weight = (1 - abs(y - row)) * (1 - abs(x - column))
            total = total + weight * image[row, column]
    return total


def _roi_align_point(image, y, x):
    height, width = image.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return image.new_zeros(())
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    return bilinear(image, y, x)


def roi_align(input, rois, size, scale, sampling_ratio, mode, aligned):
    shift = 0.5 if aligned else 0.0
    pool = {'avg': torch.mean, 'max': torch.max}[mode]
    output = []
    for batch, *corners in rois.tolist():
        x1, y1, x2, y2 = (corner * scale - shift for corner in corners)
        height, width = y2 - y1, x2 - x1
        if not aligned:
            height, width = max(height, 1), max(width, 1)
        bin_h, bin_w = height / size[0], width / size[1]
        grid_h = sampling_ratio or math.ceil(bin_h)
        grid_w = sampling_ratio or math.ceil(bin_w)
        for image, i, j in product(
            input[int(batch)], range(size[0]), range(size[1])
        ):
            points = [
                _roi_align_point(
                    image,
                    y1 + (i + (k + 0.5) / grid_h) * bin_h,
                    x1 + (j + (m + 0.5) / grid_w) * bin_w,
                )
                for k, m in product(range(grid_h), range(grid_w))
            ]
            output.append(pool(torch.stack(points)))
    return torch.stack(output).view(len(rois), -1, *size)


def roi_pool(input, rois, size, scale):
    limits = input.shape[2:]
    output = []
    for batch, x1, y1, x2, y2 in rois.tolist():
        start = (y1 * scale, x1 * scale)
        end = ((y2 + 1) * scale, (x2 + 1) * scale)
        for image, *index in product(
            input[int(batch)], range(size[0]), range(size[1])
        ):
            edges = []
            for k in range(2):
                step = (end[k] - start[k]) / size[k]
                first = math.floor(index[k] * step + start[k])
                last = math.ceil((index[k] + 1) * step + start[k])
                first, last = (
                    min(max(edge, 0), limits[k]) for edge in (first, last)
                )
                edges.append(slice(first, last))
            pixels = image[edges[0], edges[1]]
            output.append(
                pixels.max() if pixels.numel() else image.new_zeros(())
            )
    return torch.stack(output).view(len(rois), -1, *size)


def deform_conv(
    input, offset, mask, weight, stride, padding, dilation, deform_groups
):
    channels_out, _, *kernel = weight.shape
    batches, channels = input.shape[:2]
    groups = channels // weight.shape[1]
    sizes = offset.shape[2:]
    points = kernel[0] * kernel[1]
    offset = offset.view(batches, deform_groups, points, 2, *sizes)
    mask = mask.view(batches, deform_groups, points, *sizes)
    columns = input.new_zeros(batches, channels, points, *sizes)
    columns = columns.clone()
    for b, c, p, i, j in product(
        *(range(n) for n in (batches, channels, points, *sizes))
    ):
        g = c * deform_groups // channels
        y = i * stride[0] - padding[0] + p // kernel[1] * dilation[0]
        x = j * stride[1] - padding[1] + p % kernel[1] * dilation[1]
        dy, dx = offset[b, g, p, :, i, j]
        value = bilinear(input[b, c], y + dy, x + dx)
        columns[b, c, p, i, j] = mask[b, g, p, i, j] * value
    columns = columns.view(
        batches, groups, channels // groups, *columns.shape[2:]
    )
    weight = weight.view(
        groups, channels_out // groups, channels // groups, -1
    )
    output = torch.einsum('bgcpij,gocp->bgoij', columns, weight)
    return output.flatten(1, 2)


def ms_deform_attn(value, shapes, locations, weights):
    batches, queries, heads, levels, points, _ = locations.shape
    maps = value.split([h * w for h, w in shapes], dim=1)
    output = value.new_zeros(batches, queries, heads, value.shape[3]).clone()
    for b, q, m, level, p in product(
        *(range(n) for n in (batches, queries, heads, levels, points))
    ):
        height, width = shapes[level]
        x, y = locations[b, q, m, level, p]
        for d in range(value.shape[3]):
            image = maps[level][b, :, m, d].view(height, width)
            sample = bilinear(image, y * height - 0.5, x * width - 0.5)
            output[b, q, m, d] += weights[b, q, m, level, p] * sample
    return output.flatten(2)
