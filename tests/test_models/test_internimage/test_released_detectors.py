"""Files with the names of the released detectors and segmentors convert.

The names of the renamed parts are spelt out here from the code of
MMDetection 2, MMSegmentation 0 and InternImage's release; what kept its name
is taken from the model.
"""

from functools import partial

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from toy.downstream import read_config, shrink

from m3i_mm.checkpoints.reading import CheckpointError
from m3i_mm.models.internimage.released_detectors import (
    check_names,
    convert_downstream,
)

pytestmark = pytest.mark.openmmlab

UNCHANGED = [
    'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py',
    'coco/cascade-mask-rcnn_internimage-l_fpn_8xb2-1x_coco.py',
    'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py',
]
DINO = 'coco/dino-4scale_internimage-l_8xb2-12e_coco.py'
DINO_G = 'coco/dino-4scale_internimage-g_o365-pre_64xb1-20k_coco.py'
COMPOSITE = (
    'coco/dino-4scale_composite-internimage-h_o365-pre_64xb1-20k_coco.py'
)
MASK2FORMER = (
    'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
    'ade20k-896x896.py'
)


def build(name):
    cfg = shrink(read_config(name))
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def affine(prefix, width_out, width_in=None):
    shape = (width_out,) if width_in is None else (width_out, width_in)
    return {
        f'{prefix}.weight': torch.randn(shape),
        f'{prefix}.bias': torch.randn(width_out),
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
    """EfficientFFN of InternImage's release, in four parts."""
    state = {f'{prefix}.ffns.0.fc2_bias': torch.randn(width)}
    for part in range(4):
        state |= affine(f'{prefix}.ffns.0.fc1_{part}', hidden // 4, width)
        state[f'{prefix}.ffns.0.fc2_{part}.weight'] = torch.randn(
            width, hidden // 4
        )
    return state


def norms(prefix, width, number):
    state = {}
    for index in range(number):
        state |= affine(f'{prefix}.norms.{index}', width)
    return state


def official_dino(model, ffn=feed_forward):
    """The state dict of a released DINO as large as ``model``."""
    head, width, hidden = 'bbox_head.transformer', 256, 32
    state = {
        name: value
        for name, value in model.state_dict().items()
        if name.startswith(('backbone.', 'neck.', 'bbox_head.'))
    }
    state |= {
        f'{head}.level_embeds': torch.randn(4, width),
        f'{head}.query_embed.weight': torch.randn(10, width),
        'bbox_head.label_embedding.weight': torch.randn(80, width),
        **affine(f'{head}.enc_output', width, width),
        **affine(f'{head}.enc_output_norm', width),
        **affine(f'{head}.decoder.norm', width),
        **affine(f'{head}.decoder.ref_point_head.0', width, 2 * width),
        **affine(f'{head}.decoder.ref_point_head.2', width, width),
    }
    for index in range(2):
        encoder = f'{head}.encoder.layers.{index}'
        state |= deformable_attention(f'{encoder}.attentions.0', width, 8, 4)
        state |= ffn(encoder, width, hidden) | norms(encoder, width, 2)
        decoder = f'{head}.decoder.layers.{index}'
        state |= attention(f'{decoder}.attentions.0', width)
        state |= deformable_attention(f'{decoder}.attentions.1', width, 8, 4)
        state |= ffn(decoder, width, hidden) | norms(decoder, width, 3)
    return state


def official_composite(model):
    """Both backbones in a list, their joints, and a list of one neck."""
    state = {}
    for name, value in official_dino(model).items():
        part, _, rest = name.partition('.')
        if part == 'neck':
            name = f'neck.0.{rest}'
        if name.startswith('backbone.assistant.'):
            name = name.replace('assistant', 'cb_modules.0')
        if name.startswith('backbone.lead.'):
            name = name.replace('lead', 'cb_modules.1')
        if not name.startswith('backbone.fusions.'):
            state[name] = value
    channels = (16, 32, 64, 128)
    for i, width in enumerate(channels):
        state[f'backbone.cb_modules.1.gamma{i}'] = torch.randn(width)
        for j, source in enumerate(channels[i + 1 :], start=1):
            name = f'backbone.cb_linears.{i}.{j}'
            state[f'{name}.weight'] = torch.randn(width, source, 1, 1)
            state[f'{name}.bias'] = torch.randn(width)
    return state


def official_mask2former(model):
    width, hidden = 32, 32
    renamed = (
        'decode_head.pixel_decoder.encoder.',
        'decode_head.transformer_decoder.layers.',
    )
    state = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith(renamed)
    }
    encoder = f'{renamed[0]}layers.0'
    state |= deformable_attention(f'{encoder}.attentions.0', width, 2, 3)
    state |= feed_forward(encoder, width, hidden) | norms(encoder, width, 2)
    decoder = f'{renamed[1]}0'
    state |= attention(f'{decoder}.attentions.0', width)
    state |= attention(f'{decoder}.attentions.1', width)
    state |= feed_forward(decoder, width, hidden) | norms(decoder, width, 3)
    return state


@pytest.mark.parametrize('name', UNCHANGED)
def test_unchanged_families(name):
    """With the moving average that MMDetection 2 keeps beside the weights."""
    model = build(name)
    state = model.state_dict()
    average = {'ema_' + name.replace('.', '_'): v for name, v in state.items()}
    converted = convert_downstream({'state_dict': {**state, **average}})
    check_names(converted, model)
    model.load_state_dict(converted, strict=True)


@pytest.mark.parametrize(
    ('name', 'official'),
    [
        (DINO, official_dino),
        (DINO_G, partial(official_dino, ffn=efficient_feed_forward)),
        (COMPOSITE, official_composite),
        (MASK2FORMER, official_mask2former),
    ],
)
def test_nothing_is_missing_or_left_over(name, official):
    model = build(name)
    state = official(model)
    converted = convert_downstream({'state_dict': state, 'meta': {}})
    check_names(converted, model)
    model.load_state_dict(converted, strict=True)


def test_dino_weights_go_where_they_belong():
    """The names alone would also fit with the two attentions swapped."""
    state = official_dino(build(DINO))
    converted = convert_downstream(state)
    head = 'bbox_head.transformer.decoder.layers.1'
    pairs = {
        f'{head}.attentions.0.attn.in_proj_weight': (
            'decoder.layers.1.self_attn.attn.in_proj_weight'
        ),
        f'{head}.attentions.1.value_proj.bias': (
            'decoder.layers.1.cross_attn.value_proj.bias'
        ),
        'bbox_head.transformer.enc_output_norm.bias': (
            'memory_trans_norm.bias'
        ),
        'bbox_head.transformer.decoder.ref_point_head.2.weight': (
            'decoder.ref_point_head.layers.1.weight'
        ),
    }
    for old, new in pairs.items():
        assert torch.equal(converted[new], state[old])


def test_mask2former_attends_to_the_image_first():
    state = official_mask2former(build(MASK2FORMER))
    converted = convert_downstream(state)
    layer = 'decode_head.transformer_decoder.layers.0'
    for old, new in (
        ('attentions.0', 'cross_attn'),
        ('attentions.1', 'self_attn'),
    ):
        assert torch.equal(
            converted[f'{layer}.{new}.attn.in_proj_bias'],
            state[f'{layer}.{old}.attn.in_proj_bias'],
        )


def test_merged_feed_forward_computes_the_same():
    torch.manual_seed(0)
    split = efficient_feed_forward(
        'bbox_head.transformer.encoder.layers.0', 8, 16
    )
    split = {name: value.double() for name, value in split.items()}
    split['backbone.x'] = torch.zeros(1)
    merged = convert_downstream(split)
    x = torch.randn(5, 8, dtype=torch.double)
    prefix = 'bbox_head.transformer.encoder.layers.0.ffns.0'
    wanted = split[f'{prefix}.fc2_bias'].clone()
    for part in range(4):
        hidden = x @ split[f'{prefix}.fc1_{part}.weight'].T
        hidden = (hidden + split[f'{prefix}.fc1_{part}.bias']).relu()
        wanted = wanted + hidden @ split[f'{prefix}.fc2_{part}.weight'].T
    ffn = 'encoder.layers.0.ffn.layers'
    hidden = (
        x @ merged[f'{ffn}.0.0.weight'].T + merged[f'{ffn}.0.0.bias']
    ).relu()
    found = hidden @ merged[f'{ffn}.1.weight'].T + merged[f'{ffn}.1.bias']
    torch.testing.assert_close(found, wanted)


def test_factors_are_rounded_as_the_release_rounds_them():
    state = {
        'backbone.cb_modules.1.gamma2': torch.tensor([0.1]),
        'backbone.cb_modules.1.levels.0.blocks.0.gamma1': torch.tensor([0.1]),
    }
    converted = convert_downstream(state)
    rounded = converted['backbone.fusions.2.gamma']
    assert rounded.dtype == torch.float32
    assert rounded == torch.tensor([0.1]).half().float()
    kept = converted['backbone.lead.levels.0.blocks.0.gamma1']
    assert kept == torch.tensor([0.1])


def test_incomplete_feed_forward():
    split = efficient_feed_forward('encoder.layers.0', 8, 16)
    del split['encoder.layers.0.ffns.0.fc1_2.weight']
    with pytest.raises(CheckpointError, match=r'only \[0, 1, 3\]'):
        convert_downstream({'backbone.x': torch.zeros(1), **split})


def test_classifier_is_refused():
    with pytest.raises(CheckpointError, match=r"'backbone\.'.*conv_head"):
        convert_downstream({'conv_head.0.weight': torch.zeros(1)})


def test_other_classes_are_named():
    model = build(DINO)
    state = convert_downstream(official_dino(model))
    state['bbox_head.cls_branches.0.weight'] = torch.zeros(1203, 256)
    del state['level_embed']
    state['surplus'] = torch.zeros(1)
    with pytest.raises(CheckpointError) as error:
        check_names(state, model)
    for part in (
        "it lacks 1: 'level_embed'",
        "1 more are in it: 'surplus'",
        'has the shape (80, 256), in the file (1203, 256)',
        'number of classes',
    ):
        assert part in str(error.value)


def test_tool_writes_a_checked_file(tmp_path, run_tool):
    source, target = tmp_path / 'official.pth', tmp_path / 'mm.pth'
    config = tmp_path / 'small.py'
    shrink(read_config(UNCHANGED[2])).dump(config)
    model = build(UNCHANGED[2])
    torch.save({'state_dict': model.state_dict()}, source)
    script = 'model_converters/internimage_downstream.py'
    run_tool(script, source, target, '--config', config)
    written = torch.load(target)['state_dict']
    assert written.keys() == model.state_dict().keys()
    torch.save({'state_dict': {'backbone.x': torch.zeros(1)}}, source)
    failed = run_tool(script, source, target, '--config', config, check=False)
    assert failed.returncode
    assert 'not that of this EncoderDecoder' in failed.stderr
