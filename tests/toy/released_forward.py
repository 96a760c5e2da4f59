"""What the released heads compute, slowly, from their tensors by name.

Written from the papers and the code of the release, with the names that its
files have; of PyTorch only elementary functions are used. One picture, whose
sides are multiples of 32, so nothing is padded.
"""

import math

import torch
import torch.nn.functional as F


class Layers:
    """Layers of a state dict by the prefix of their names."""

    def __init__(self, state):
        self.state = state

    def linear(self, name, x):
        weight, bias = self.state[f'{name}.weight'], self.state[f'{name}.bias']
        return x @ weight.T + bias

    def conv(self, name, x, stride=1):
        weight = self.state[f'{name}.weight']
        bias = self.state.get(f'{name}.bias')
        padding = weight.shape[-1] // 2
        return F.conv2d(x, weight, bias, stride, padding)

    def norm(self, name, x):
        mean = x.mean(-1, keepdim=True)
        var = ((x - mean) ** 2).mean(-1, keepdim=True)
        x = (x - mean) / (var + 1e-5).sqrt()
        return x * self.state[f'{name}.weight'] + self.state[f'{name}.bias']

    def conv_bn_relu(self, name, x):
        s, x = self.state, self.conv(f'{name}.conv', x)
        bn = f'{name}.bn'
        mean = s[f'{bn}.running_mean'][:, None, None]
        var = s[f'{bn}.running_var'][:, None, None]
        x = (x - mean) / (var + 1e-5).sqrt()
        x = x * s[f'{bn}.weight'][:, None, None]
        return (x + s[f'{bn}.bias'][:, None, None]).clamp(min=0)

    def conv_gn(self, name, x, groups, stride=1):
        x = self.conv(f'{name}.conv', x, stride)
        parts = x.reshape(len(x), groups, -1)
        mean = parts.mean(-1, keepdim=True)
        var = ((parts - mean) ** 2).mean(-1, keepdim=True)
        x = ((parts - mean) / (var + 1e-5).sqrt()).reshape(x.shape)
        weight = self.state[f'{name}.gn.weight'][:, None, None]
        return x * weight + self.state[f'{name}.gn.bias'][:, None, None]

    def feed_forward(self, name, x):
        hidden = self.linear(f'{name}.layers.0.0', x).clamp(min=0)
        return x + self.linear(f'{name}.layers.1', hidden)

    def attention(self, name, query, key, value, heads, mask=None):
        """Of tokens (N, C); ``mask`` (N, M) is true where not to look."""
        packed = self.state[f'{name}.attn.in_proj_weight'].chunk(3)
        biases = self.state[f'{name}.attn.in_proj_bias'].chunk(3)
        q, k, v = (
            (x @ w.T + b).unflatten(-1, (heads, -1)).transpose(0, 1)
            for x, w, b in zip(
                (query, key, value), packed, biases, strict=True
            )
        )
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(mask, -math.inf)
        out = (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)
        return self.linear(f'{name}.attn.out_proj', out)

    def deformable(self, name, query, value, sizes, boxes, heads, points=4):
        """Of tokens (N, C) over maps in a row; boxes (N, 2 or 4)."""
        count, levels = len(query), len(sizes)
        offsets = self.linear(f'{name}.sampling_offsets', query)
        offsets = offsets.reshape(count, heads, levels, points, 2)
        weights = self.linear(f'{name}.attention_weights', query)
        weights = weights.reshape(count, heads, -1).softmax(-1)
        weights = weights.reshape(count, heads, levels, points)
        value = self.linear(f'{name}.value_proj', value)
        total, begin = 0, 0
        for level, (height, width) in enumerate(sizes):
            part = value[begin : begin + height * width]
            begin += height * width
            maps = part.T.reshape(heads, -1, height, width)
            step = offsets[:, :, level]  # (N, heads, points, 2)
            if boxes.shape[-1] == 2:
                scale = torch.tensor([width, height]).to(step)
                places = boxes[:, None, None] + step / scale
            else:
                extent = boxes[:, None, None, 2:] / points * 0.5
                places = boxes[:, None, None, :2] + step * extent
            sampled = F.grid_sample(
                maps, 2 * places.transpose(0, 1) - 1, align_corners=False
            )  # (heads, c, N, points)
            share = weights[:, :, level].transpose(0, 1)[:, None]
            total = total + (sampled * share).sum(-1)
        return self.linear(f'{name}.output_proj', total.flatten(0, 1).T)


def _resize(x, size):
    return F.interpolate(x, size, mode='bilinear', align_corners=False)


def upernet(state, maps):
    """Logits of the decode head, at a quarter of the picture."""
    s, head = Layers(state), 'decode_head'
    deep, pooled = maps[-1], [maps[-1]]
    for index, scale in enumerate((1, 2, 3, 6)):
        small = F.adaptive_avg_pool2d(deep, scale)
        small = s.conv_bn_relu(f'{head}.psp_modules.{index}.1', small)
        pooled.append(_resize(small, deep.shape[2:]))
    laterals = [
        s.conv_bn_relu(f'{head}.lateral_convs.{i}', x)
        for i, x in enumerate(maps[:-1])
    ]
    laterals.append(s.conv_bn_relu(f'{head}.bottleneck', torch.cat(pooled, 1)))
    for index in (2, 1, 0):
        above = _resize(laterals[index + 1], laterals[index].shape[2:])
        laterals[index] = laterals[index] + above
    outs = [
        s.conv_bn_relu(f'{head}.fpn_convs.{i}', x)
        for i, x in enumerate(laterals[:-1])
    ] + laterals[-1:]
    outs = [_resize(x, outs[0].shape[2:]) for x in outs]
    joined = s.conv_bn_relu(f'{head}.fpn_bottleneck', torch.cat(outs, 1))
    return s.conv(f'{head}.conv_seg', joined)


def segformer(state, maps):
    """Logits of the decode head, at a quarter of the picture."""
    s, head = Layers(state), 'decode_head'
    outs = [
        _resize(s.conv_bn_relu(f'{head}.convs.{i}', x), maps[0].shape[2:])
        for i, x in enumerate(maps)
    ]
    joined = s.conv_bn_relu(f'{head}.fusion_conv', torch.cat(outs, 1))
    return s.conv(f'{head}.conv_seg', joined)


def pyramid(state, maps):
    """The five maps of FPN."""
    s = Layers(state)
    outs = [
        s.conv(f'neck.lateral_convs.{i}.conv', x) for i, x in enumerate(maps)
    ]
    for index in (2, 1, 0):
        size = outs[index].shape[2:]
        outs[index] = outs[index] + F.interpolate(outs[index + 1], size)
    outs = [s.conv(f'neck.fpn_convs.{i}.conv', x) for i, x in enumerate(outs)]
    return [*outs, outs[-1][:, :, ::2, ::2]]


def proposals(state, maps):
    """Scores and offsets of the region proposals on each map."""
    s, found = Layers(state), []
    for x in maps:
        x = s.conv('rpn_head.rpn_conv', x).clamp(min=0)
        found.append(
            (s.conv('rpn_head.rpn_cls', x), s.conv('rpn_head.rpn_reg', x))
        )
    return found


def boxes_of_regions(state, regions, head='roi_head.bbox_head', convs=0):
    """Class logits and box offsets of regions (N, 256, 7, 7)."""
    s, x = Layers(state), regions
    for index in range(convs):
        x = s.conv_bn_relu(f'{head}.shared_convs.{index}', x)
    x = x.flatten(1)
    for index in range(1 if convs else 2):
        x = s.linear(f'{head}.shared_fcs.{index}', x).clamp(min=0)
    return s.linear(f'{head}.fc_cls', x), s.linear(f'{head}.fc_reg', x)


def masks_of_regions(state, regions, head='roi_head.mask_head'):
    """Mask logits of regions (N, 256, 14, 14)."""
    s, x = Layers(state), regions
    for index in range(4):
        x = s.conv(f'{head}.convs.{index}.conv', x).clamp(min=0)
    weight, bias = (state[f'{head}.upsample.{p}'] for p in ('weight', 'bias'))
    x = F.conv_transpose2d(x, weight, bias, stride=2).clamp(min=0)
    return s.conv(f'{head}.conv_logits', x)


def _sine(height, width, feats, temperature, dtype):
    """The encoding of every position of a map, (H * W, 2 * feats)."""
    rows = []
    for y in range(height):
        for x in range(width):
            row = []
            for place, size in ((y, height), (x, width)):
                angle = (place + 1) / (size + 1e-6) * 2 * math.pi
                for index in range(feats):
                    wave = temperature ** (2 * (index // 2) / feats)
                    turn = math.cos if index % 2 else math.sin
                    row.append(turn(angle / wave))
            rows.append(row)
    return torch.tensor(rows, dtype=dtype)


def _centres(sizes, dtype):
    """The centre of every position of maps in a row, (N, 2)."""
    return torch.tensor(
        [
            [(x + 0.5) / width, (y + 0.5) / height]
            for height, width in sizes
            for y in range(height)
            for x in range(width)
        ],
        dtype=dtype,
    )


def _logit(x):
    return (x.clamp(min=1e-3) / (1 - x).clamp(min=1e-3)).log()


def _encode_boxes(boxes):
    """DINO's encoding of boxes (N, 4): y, x, w, h by 128 waves each."""
    columns = []
    for coordinate in (1, 0, 2, 3):
        for index in range(128):
            wave = 10000 ** (2 * (index // 2) / 128)
            angle = boxes[:, coordinate] * 2 * math.pi / wave
            columns.append(angle.cos() if index % 2 else angle.sin())
    return torch.stack(columns, -1)


def _box_branch(s, index, x):
    name = f'bbox_head.reg_branches.{index}'
    for layer in (0, 2):
        x = s.linear(f'{name}.{layer}', x).clamp(min=0)
    return s.linear(f'{name}.4', x)


def dino(state, maps, layers):
    """Class logits and boxes (x, y, w, h) of the last layer's queries."""
    s, head = Layers(state), 'bbox_head.transformer'
    levels = [s.conv_gn(f'neck.convs.{i}', x, 32) for i, x in enumerate(maps)]
    levels.append(s.conv_gn('neck.extra_convs.0', maps[-1], 32, stride=2))
    sizes = [tuple(x.shape[2:]) for x in levels]
    tokens = torch.cat([x[0].flatten(1).T for x in levels])
    embeds = state[f'{head}.level_embeds']
    positions = torch.cat(
        [
            _sine(*size, 128, 20, tokens.dtype) + embed
            for size, embed in zip(sizes, embeds, strict=True)
        ]
    )
    centres = _centres(sizes, tokens.dtype)
    for index in range(layers):
        name = f'{head}.encoder.layers.{index}'
        tokens = tokens + s.deformable(
            f'{name}.attentions.0',
            tokens + positions,
            tokens,
            sizes,
            centres,
            8,
        )
        tokens = s.norm(f'{name}.norms.0', tokens)
        tokens = s.feed_forward(f'{name}.ffns.0', tokens)
        tokens = s.norm(f'{name}.norms.1', tokens)
    # a box around every position, larger on the deeper maps
    widths = torch.cat(
        [
            torch.full((h * w, 2), 0.05 * 2**level)
            for level, (h, w) in enumerate(sizes)
        ]
    ).to(tokens)
    around = torch.cat([centres, widths], -1)
    inside = ((around > 0.01) & (around < 0.99)).all(-1)
    start = (around / (1 - around)).log()
    start[~inside] = math.inf
    memory = tokens * inside[:, None]
    memory = s.norm(
        f'{head}.enc_output_norm', s.linear(f'{head}.enc_output', memory)
    )
    scores = s.linear(f'bbox_head.cls_branches.{layers}', memory)
    offsets = _box_branch(s, layers, memory) + start
    queries = state[f'{head}.query_embed.weight']
    best = scores.max(-1).values.topk(len(queries)).indices
    boxes = offsets[best].sigmoid()
    for index in range(layers):
        name = f'{head}.decoder.layers.{index}'
        encoded = s.linear(
            f'{head}.decoder.ref_point_head.0', _encode_boxes(boxes)
        )
        place = s.linear(
            f'{head}.decoder.ref_point_head.2', encoded.clamp(min=0)
        )
        x = queries + place
        queries = queries + s.attention(
            f'{name}.attentions.0', x, x, queries, 8
        )
        queries = s.norm(f'{name}.norms.0', queries)
        queries = queries + s.deformable(
            f'{name}.attentions.1', queries + place, tokens, sizes, boxes, 8
        )
        queries = s.norm(f'{name}.norms.1', queries)
        queries = s.feed_forward(f'{name}.ffns.0', queries)
        queries = s.norm(f'{name}.norms.2', queries)
        before = boxes
        boxes = (_box_branch(s, index, queries) + _logit(boxes)).sigmoid()
    last = s.norm(f'{head}.decoder.norm', queries)
    logits = s.linear(f'bbox_head.cls_branches.{layers - 1}', last)
    found = _box_branch(s, layers - 1, last) + _logit(before)
    return logits, found.sigmoid()


def mask2former(state, maps, layers, heads, groups):
    """Class logits and mask logits of the last layer's queries."""
    s, head = Layers(state), 'decode_head'
    pixel = f'{head}.pixel_decoder'
    levels = [
        s.conv_gn(f'{pixel}.input_convs.{i}', x, groups)
        for i, x in enumerate(reversed(maps[1:]))
    ]
    sizes = [tuple(x.shape[2:]) for x in levels]
    tokens = torch.cat([x[0].flatten(1).T for x in levels])
    feats = tokens.shape[-1] // 2
    plain = [_sine(*size, feats, 10000, tokens.dtype) for size in sizes]
    encodings = state[f'{pixel}.level_encoding.weight']
    positions = torch.cat(
        [a + b for a, b in zip(plain, encodings, strict=True)]
    )
    centres = _centres(sizes, tokens.dtype)
    for index in range(layers[0]):
        name = f'{pixel}.encoder.layers.{index}'
        tokens = tokens + s.deformable(
            f'{name}.attentions.0',
            tokens + positions,
            tokens,
            sizes,
            centres,
            heads,
        )
        tokens = s.norm(f'{name}.norms.0', tokens)
        tokens = s.feed_forward(f'{name}.ffns.0', tokens)
        tokens = s.norm(f'{name}.norms.1', tokens)
    parts = tokens.split([h * w for h, w in sizes])
    finest = parts[-1].T.reshape(1, -1, *sizes[-1])
    fine = s.conv_gn(f'{pixel}.lateral_convs.0', maps[0], groups)
    fine = fine + _resize(finest, fine.shape[2:])
    fine = s.conv_gn(f'{pixel}.output_convs.0', fine, groups).clamp(min=0)
    features = s.conv(f'{pixel}.mask_feature', fine)[0]

    def predict(queries):
        x = s.norm(f'{head}.transformer_decoder.post_norm', queries)
        logits = s.linear(f'{head}.cls_embed', x)
        for layer in (0, 2):
            x = s.linear(f'{head}.mask_embed.{layer}', x).clamp(min=0)
        x = s.linear(f'{head}.mask_embed.4', x)
        return logits, torch.einsum('qc, chw -> qhw', x, features)

    queries = state[f'{head}.query_feat.weight']
    place = state[f'{head}.query_embed.weight']
    found = predict(queries)
    for index in range(layers[1]):
        level = index % 3
        name = f'{head}.transformer_decoder.layers.{index}'
        hidden = _resize(found[1][None], sizes[level])[0].sigmoid() < 0.5
        hidden = hidden.flatten(1)
        hidden[hidden.all(-1)] = False
        memory = parts[level] + state[f'{head}.level_embed.weight'][level]
        queries = queries + s.attention(
            f'{name}.attentions.0',
            queries + place,
            memory + plain[level],
            memory,
            heads,
            hidden,
        )
        queries = s.norm(f'{name}.norms.0', queries)
        x = queries + place
        queries = queries + s.attention(
            f'{name}.attentions.1', x, x, queries, heads
        )
        queries = s.norm(f'{name}.norms.1', queries)
        queries = s.feed_forward(f'{name}.ffns.0', queries)
        queries = s.norm(f'{name}.norms.2', queries)
        found = predict(queries)
    return found
