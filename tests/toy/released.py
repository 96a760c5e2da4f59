"""State dicts with the names and shapes of the released files.

Spelt out from the authors' code and configs (commit 31c962d) and from the
modules of MMDetection 2, MMSegmentation 0 and MMCV 1 that these name; nothing
is taken from the models of this package. Under ``torch.device('meta')`` the
largest takes no memory.
"""

from dataclasses import dataclass

import torch


@dataclass
class Size:
    """A backbone, in the words of the authors' configs."""

    channels: int
    depths: tuple[int, ...]
    groups: tuple[int, ...]
    post_norm: bool = True
    res_post_norm: bool = False
    kernel: int = 3  # of the depth-wise convolution
    post_norm_blocks: int = 0  # norms after blocks of the third stage
    center_feature_scale: bool = False

    @property
    def widths(self):
        return [self.channels * 2**stage for stage in range(4)]


SIZES = dict(
    t=Size(64, (4, 4, 18, 4), (4, 8, 16, 32), post_norm=False),
    s=Size(80, (4, 4, 21, 4), (5, 10, 20, 40)),
    b=Size(112, (4, 4, 21, 4), (7, 14, 28, 56)),
    l=Size(160, (5, 5, 22, 5), (10, 20, 40, 80)),
    xl=Size(192, (5, 5, 24, 5), (12, 24, 48, 96)),
    h=Size(
        320, (6, 6, 32, 6), (10, 20, 40, 80), False, True, 5, 5, True
    ),
    g=Size(512, (2, 2, 48, 4), (16, 32, 64, 128), True, False, 5, 8, True),
)  # fmt: skip


def affine(prefix, width_out, *shape, bias=True):
    """A linear layer, a convolution, or without a shape a norm."""
    state = {f'{prefix}.weight': torch.randn(width_out, *shape)}
    if bias:
        state[f'{prefix}.bias'] = torch.randn(width_out)
    return state


def batch_norm(prefix, width):
    return {
        **affine(prefix, width),
        f'{prefix}.running_mean': torch.randn(width),
        f'{prefix}.running_var': torch.rand(width),
        f'{prefix}.num_batches_tracked': torch.zeros((), dtype=torch.long),
    }


def conv_bn(prefix, width_out, width_in, kernel):
    return {
        **affine(
            f'{prefix}.conv', width_out, width_in, kernel, kernel, bias=False
        ),
        **batch_norm(f'{prefix}.bn', width_out),
    }


def conv_gn(prefix, width_out, width_in, kernel, bias=False):
    return {
        **affine(
            f'{prefix}.conv', width_out, width_in, kernel, kernel, bias=bias
        ),
        **affine(f'{prefix}.gn', width_out),
    }


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def backbone(size, layer_scale):
    """``patch_embed`` and ``levels``."""
    half = size.channels // 2
    state = {
        **affine('patch_embed.conv1', half, 3, 3, 3),
        **affine('patch_embed.norm1.1', half),
        **affine('patch_embed.conv2', size.channels, half, 3, 3),
        **affine('patch_embed.norm2.1', size.channels),
    }
    for stage, (width, depth) in enumerate(
        zip(size.widths, size.depths, strict=True)
    ):
        prefix = f'levels.{stage}'
        for index in range(depth):
            state |= _block(
                f'{prefix}.blocks.{index}',
                size,
                width,
                size.groups[stage],
                layer_scale,
            )
        if not size.post_norm or size.center_feature_scale:
            state |= affine(f'{prefix}.norm.0', width)
        if stage == 2:
            for index in range(size.post_norm_blocks):
                state |= affine(f'{prefix}.post_norms.{index}.0', width)
        if stage < 3:
            state |= affine(
                f'{prefix}.downsample.conv', 2 * width, width, 3, 3, bias=False
            )
            state |= affine(f'{prefix}.downsample.norm.1', 2 * width)
    return state


def _block(prefix, size, width, groups, layer_scale):
    dcn, kernel = f'{prefix}.dcn', size.kernel
    state = {
        **affine(f'{prefix}.norm1.0', width),
        **affine(f'{prefix}.norm2.0', width),
        **affine(f'{dcn}.dw_conv.0', width, 1, kernel, kernel),
        **affine(f'{dcn}.dw_conv.1.1', width),
        **affine(f'{dcn}.offset', groups * 9 * 2, width),
        **affine(f'{dcn}.mask', groups * 9, width),
        **affine(f'{dcn}.input_proj', width, width),
        **affine(f'{dcn}.output_proj', width, width),
        **affine(f'{prefix}.mlp.fc1', 4 * width, width),
        **affine(f'{prefix}.mlp.fc2', width, 4 * width),
    }
    if size.center_feature_scale:
        name = f'{dcn}.center_feature_scale_proj'
        state[f'{name}_weight'] = torch.randn(groups, width)
        state[f'{name}_bias'] = torch.randn(groups)
    if layer_scale:
        state[f'{prefix}.gamma1'] = torch.randn(width)
        state[f'{prefix}.gamma2'] = torch.randn(width)
    if size.res_post_norm:
        state |= affine(f'{prefix}.res_post_norm1.0', width)
        state |= affine(f'{prefix}.res_post_norm2.0', width)
    return state


def classifier(size, classes=1000):
    """What ``model`` of a classification file holds."""
    scaled = size.post_norm and not size.center_feature_scale
    state = backbone(size, layer_scale=scaled)
    third, last = size.widths[2:]
    if not size.center_feature_scale:
        width = int(1.5 * last)
        state |= affine('conv_head.0', width, last, 1, 1, bias=False)
        state |= batch_norm('conv_head.1.0', width)
        return state | affine('head', classes, width)
    state |= affine('dcnv3_head_x4.0', 4 * 1024, last, 1, 1)
    state |= affine('dcnv3_head_x3', 1024, third, 1, 1)
    for part in 'qkv':
        cross = f'clip_projector.cross_dcn.{part}'
        state |= affine(f'clip_projector.norm1_{part}.0', 1024)
        state |= affine(cross, 1024, 1024, bias=False)
        state[f'{cross}_bias'] = torch.randn(1024)
    state |= affine('clip_projector.cross_dcn.proj', 768, 1024)
    return {
        **state,
        **affine('fc_norm.0', 768),
        **affine('head', classes, 768),
    }


def inaturalist(size, classes=8142, width=64):
    """The classifier that asks for month and place."""
    state = classifier(size, classes)
    for index, inputs in ((1, 4), (2, 3)):
        prefix = f'meta_head_{index}'
        state |= affine(f'{prefix}.0', width, inputs)
        state |= affine(f'{prefix}.2', width)
        for layer in (1, 2):
            state |= affine(f'{prefix}.3.norm_fn{layer}', width)
            state |= affine(f'{prefix}.3.w{layer}', width, width)
    state |= affine('meta_norm', 2 * width)
    return state | affine('meta_head', classes, 2 * width)


def _downstream_backbone(size):
    return prefixed('backbone.', backbone(size, not size.center_feature_scale))


def _fpn(widths):
    state = {}
    for index, width in enumerate(widths):
        state |= affine(f'neck.lateral_convs.{index}.conv', 256, width, 1, 1)
        state |= affine(f'neck.fpn_convs.{index}.conv', 256, 256, 3, 3)
    return state


def _rpn():
    return {
        **affine('rpn_head.rpn_conv', 256, 256, 3, 3),
        **affine('rpn_head.rpn_cls', 3, 256, 1, 1),
        **affine('rpn_head.rpn_reg', 12, 256, 1, 1),
    }


def _mask_head(prefix):
    state = {}
    for index in range(4):
        state |= affine(f'{prefix}.convs.{index}.conv', 256, 256, 3, 3)
    state |= affine(f'{prefix}.upsample', 256, 256, 2, 2)
    return state | affine(f'{prefix}.conv_logits', 80, 256, 1, 1)


def _box_outputs(prefix):
    return {
        **affine(f'{prefix}.fc_cls', 81, 1024),
        **affine(f'{prefix}.fc_reg', 4 * 80, 1024),
    }


def mask_rcnn(size):
    """Mask R-CNN of MMDetection 2 for COCO."""
    box = 'roi_head.bbox_head'
    return {
        **_downstream_backbone(size),
        **_fpn(size.widths),
        **_rpn(),
        **affine(f'{box}.shared_fcs.0', 1024, 256 * 7 * 7),
        **affine(f'{box}.shared_fcs.1', 1024, 1024),
        **_box_outputs(box),
        **_mask_head('roi_head.mask_head'),
    }


def cascade(size):
    """Cascade Mask R-CNN with four convolutions in its box heads."""
    state = _downstream_backbone(size) | _fpn(size.widths) | _rpn()
    for stage in range(3):
        box = f'roi_head.bbox_head.{stage}'
        for index in range(4):
            state |= conv_bn(f'{box}.shared_convs.{index}', 256, 256, 3)
        state |= affine(f'{box}.shared_fcs.0', 1024, 256 * 7 * 7)
        state |= _box_outputs(box)
        state |= _mask_head(f'roi_head.mask_head.{stage}')
    return state


def moving_average(state):
    """What MMDetection 2's average keeps beside the weights."""
    return {
        **state,
        **{f'ema_{k.replace(".", "_")}': v for k, v in state.items()},
    }


def deformable_attention(prefix, width, heads, levels, points=4):
    """MultiScaleDeformableAttention of MMCV 1."""
    samples = heads * levels * points
    return {
        **affine(f'{prefix}.sampling_offsets', 2 * samples, width),
        **affine(f'{prefix}.attention_weights', samples, width),
        **affine(f'{prefix}.value_proj', width, width),
        **affine(f'{prefix}.output_proj', width, width),
    }


def attention(prefix, width):
    """MultiheadAttention of MMCV 1."""
    return {
        f'{prefix}.attn.in_proj_weight': torch.randn(3 * width, width),
        f'{prefix}.attn.in_proj_bias': torch.randn(3 * width),
        **affine(f'{prefix}.attn.out_proj', width, width),
    }


def feed_forward(prefix, width, hidden):
    return {
        **affine(f'{prefix}.ffns.0.layers.0.0', hidden, width),
        **affine(f'{prefix}.ffns.0.layers.1', width, hidden),
    }


def efficient_feed_forward(prefix, width, hidden):
    """EfficientFFN of the release, in four parts."""
    state = {f'{prefix}.ffns.0.fc2_bias': torch.randn(width)}
    for part in range(4):
        state |= affine(f'{prefix}.ffns.0.fc1_{part}', hidden // 4, width)
        state |= affine(
            f'{prefix}.ffns.0.fc2_{part}', width, hidden // 4, bias=False
        )
    return state


def norms(prefix, width, number):
    state = {}
    for index in range(number):
        state |= affine(f'{prefix}.norms.{index}', width)
    return state


def dino_head(
    classes=80, ffn=feed_forward, layers=6, hidden=2048, queries=900
):
    """``bbox_head`` of DINO as the release has it."""
    head, width = 'bbox_head.transformer', 256
    state = {
        f'{head}.level_embeds': torch.randn(4, width),
        f'{head}.query_embed.weight': torch.randn(queries, width),
        'bbox_head.label_embedding.weight': torch.randn(classes, width),
        **affine(f'{head}.enc_output', width, width),
        **affine(f'{head}.enc_output_norm', width),
        **affine(f'{head}.decoder.norm', width),
        **affine(f'{head}.decoder.ref_point_head.0', width, 2 * width),
        **affine(f'{head}.decoder.ref_point_head.2', width, width),
    }
    for index in range(layers):
        encoder = f'{head}.encoder.layers.{index}'
        state |= deformable_attention(f'{encoder}.attentions.0', width, 8, 4)
        state |= ffn(encoder, width, hidden) | norms(encoder, width, 2)
        decoder = f'{head}.decoder.layers.{index}'
        state |= attention(f'{decoder}.attentions.0', width)
        state |= deformable_attention(f'{decoder}.attentions.1', width, 8, 4)
        state |= ffn(decoder, width, hidden) | norms(decoder, width, 3)
    for index in range(layers + 1):  # the last is that of the encoder
        state |= affine(f'bbox_head.cls_branches.{index}', classes, width)
        for layer, outputs in ((0, width), (2, width), (4, 4)):
            state |= affine(
                f'bbox_head.reg_branches.{index}.{layer}', outputs, width
            )
    return state


def _channel_mapper(prefix, widths):
    state = {}
    for index, width in enumerate(widths[1:]):
        state |= conv_gn(f'{prefix}convs.{index}', 256, width, 1)
    return state | conv_gn(f'{prefix}extra_convs.0', 256, widths[-1], 3)


def dino(size, **head):
    return {
        **_downstream_backbone(size),
        **_channel_mapper('neck.', size.widths),
        **dino_head(**head),
    }


def composite_dino(size, **head):
    """Both backbones in a list, their joints, and a list of one neck."""
    single = backbone(size, layer_scale=not size.center_feature_scale)
    lead = {k: v for k, v in single.items() if 'patch_embed' not in k}
    state = {
        **prefixed('backbone.cb_modules.0.', single),
        **prefixed('backbone.cb_modules.1.', lead),
        **_channel_mapper('neck.0.', size.widths),
        **dino_head(**head),
    }
    for i, width in enumerate(size.widths):
        state[f'backbone.cb_modules.1.gamma{i}'] = torch.randn(width)
        for j, source in enumerate(size.widths[i + 1 :], start=1):
            state |= affine(
                f'backbone.cb_linears.{i}.{j}', width, source, 1, 1
            )
    return state


def upernet(size, classes=150, channels=512, auxiliary=256):
    """UPerNet of MMSegmentation 0."""
    head, widths = 'decode_head', size.widths
    state = _downstream_backbone(size)
    state |= affine(f'{head}.conv_seg', classes, channels, 1, 1)
    for index in range(4):
        state |= conv_bn(
            f'{head}.psp_modules.{index}.1', channels, widths[-1], 1
        )
    state |= conv_bn(
        f'{head}.bottleneck', channels, widths[-1] + 4 * channels, 3
    )
    for index, width in enumerate(widths[:-1]):
        state |= conv_bn(f'{head}.lateral_convs.{index}', channels, width, 1)
        state |= conv_bn(f'{head}.fpn_convs.{index}', channels, channels, 3)
    state |= conv_bn(f'{head}.fpn_bottleneck', channels, 4 * channels, 3)
    state |= conv_bn('auxiliary_head.convs.0', auxiliary, widths[2], 3)
    return state | affine('auxiliary_head.conv_seg', classes, auxiliary, 1, 1)


def segformer(size, classes=150, channels=256):
    """The head of SegFormer of MMSegmentation 0."""
    head = 'decode_head'
    state = _downstream_backbone(size)
    for index, width in enumerate(size.widths):
        state |= conv_bn(f'{head}.convs.{index}', channels, width, 1)
    state |= conv_bn(f'{head}.fusion_conv', channels, 4 * channels, 1)
    return state | affine(f'{head}.conv_seg', classes, channels, 1, 1)


def mask2former(
    size,
    classes,
    width=256,
    heads=8,
    hidden=(1024, 2048),
    queries=100,
    layers=(6, 9),
):
    """The Mask2Former that the release brings."""
    head, widths = 'decode_head', size.widths
    pixel = f'{head}.pixel_decoder'
    state = _downstream_backbone(size)
    for index, source in enumerate(reversed(widths[1:])):
        state |= conv_gn(
            f'{pixel}.input_convs.{index}', width, source, 1, bias=True
        )
    for index in range(layers[0]):
        layer = f'{pixel}.encoder.layers.{index}'
        state |= deformable_attention(f'{layer}.attentions.0', width, heads, 3)
        state |= feed_forward(layer, width, hidden[0])
        state |= norms(layer, width, 2)
    state[f'{pixel}.level_encoding.weight'] = torch.randn(3, width)
    state |= conv_gn(f'{pixel}.lateral_convs.0', width, widths[0], 1)
    state |= conv_gn(f'{pixel}.output_convs.0', width, width, 3)
    state |= affine(f'{pixel}.mask_feature', width, width, 1, 1)
    for index in range(layers[1]):
        layer = f'{head}.transformer_decoder.layers.{index}'
        state |= attention(f'{layer}.attentions.0', width)
        state |= attention(f'{layer}.attentions.1', width)
        state |= feed_forward(layer, width, hidden[1])
        state |= norms(layer, width, 3)
    state |= affine(f'{head}.transformer_decoder.post_norm', width)
    state[f'{head}.query_embed.weight'] = torch.randn(queries, width)
    state[f'{head}.query_feat.weight'] = torch.randn(queries, width)
    state[f'{head}.level_embed.weight'] = torch.randn(3, width)
    state |= affine(f'{head}.cls_embed', classes + 1, width)
    for layer in (0, 2, 4):
        state |= affine(f'{head}.mask_embed.{layer}', width, width)
    return state


LARGE = dict(width=1024, heads=32, hidden=(4096, 4096), queries=200)


def released():
    """A function for the content of each released file, by its name."""
    files = {}

    def add(name, build, size, **settings):
        files[name] = lambda: build(SIZES[size], **settings)

    for size in 'tsb':
        add(f'internimage_{size}_1k_224', classifier, size)
        for schedule in ('1x', '3x'):
            name = f'mask_rcnn_internimage_{size}_fpn_{schedule}_coco'
            add(name, mask_rcnn, size)
        add(f'upernet_internimage_{size}_512_160k_ade20k', upernet, size)
        name = f'upernet_internimage_{size}_512x1024_160k_cityscapes'
        add(name, upernet, size)
    for size in ('l', 'xl'):
        add(
            f'internimage_{size}_22k_192to384', classifier, size, classes=21841
        )
        add(f'internimage_{size}_22kto1k_384', classifier, size)
        add(f'cascade_internimage_{size}_fpn_1x_coco', cascade, size)
        add(f'cascade_internimage_{size}_fpn_3x_coco', cascade, size)
        add(f'upernet_internimage_{size}_640_160k_ade20k', upernet, size)
        for stage in ('160k_cityscapes', '160k_mapillary2cityscapes'):
            add(f'upernet_internimage_{size}_512x1024_{stage}', upernet, size)
        add(
            f'upernet_internimage_{size}_512x1024_80k_mapillary', upernet, size
        )
        for stage in ('160k_mapillary2cityscapes', '80k_mapillary'):
            name = f'segformer_internimage_{size}_512x1024_{stage}'
            add(name, segformer, size)
    for name, size in (('h_jointto22k', 'h'), ('g_pretrainto22k', 'g')):
        add(f'internimage_{name}_384', classifier, size, classes=21841)
    add('internimage_h_22kto1k_640', classifier, 'h')
    add('internimage_g_22kto1k_512', classifier, 'g')
    add('internimage_h_22ktoinat18_384', inaturalist, 'h')
    add('upernet_internimage_h_896_160k_ade20k', upernet, 'h')
    dino_names = (
        ('t_1x_coco', 't', feed_forward),
        ('l_1x_coco_layer_wise_lr', 'l', feed_forward),
        ('l_1x_coco_0.1x_backbone_lr', 'l', feed_forward),
        ('h_objects365_coco', 'h', feed_forward),
        ('g_objects365_coco', 'g', efficient_feed_forward),
    )
    for name, size, ffn in dino_names:
        add(f'dino_4scale_internimage_{name}', dino, size, ffn=ffn)
    composite_names = dict(
        coco=80,
        lvis=1203,
        openimages=601,
        voc0712=20,
        **{'80classes': 80, '20classes': 20},
    )
    for name, classes in composite_names.items():
        name = f'dino_4scale_cbinternimage_h_objects365_{name}'
        add(name, composite_dino, 'h', classes=classes)
    large = {
        '896_80k_cocostuff2ade20k': 150,
        '896_80k_cocostuff164k': 171,
        '512_40k_cocostuff164k_to_10k': 171,
    }
    for name, classes in large.items():
        name = f'mask2former_internimage_h_{name}'
        add(name, mask2former, 'h', classes=classes, **LARGE)
    small = {
        '896x896_80k_mapillary': 19,
        '1024x1024_80k_mapillary2cityscapes': 19,
        '480_40k_nyu': 40,
        '480_40k_pascal_context_59': 59,
    }
    for name, classes in small.items():
        name = f'mask2former_internimage_h_{name}'
        add(name, mask2former, 'h', classes=classes)
    return files
