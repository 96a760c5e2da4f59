"""Files with the names of the released detectors and segmentors convert.

And they load as they are, by hooks of the models that were renamed.
"""

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from toy.downstream import read_config, shrink
from toy.released import (
    Size,
    composite_dino,
    dino,
    efficient_feed_forward,
    mask2former,
    moving_average,
)

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


# what `shrink` makes of every backbone and head
SMALL = dict(
    l=Size(16, (1, 1, 1, 1), (1, 2, 4, 8)),
    h=Size(16, (1, 1, 1, 1), (1, 2, 4, 8), False, True, 5, 1, True),
    g=Size(16, (1, 1, 1, 1), (1, 2, 4, 8), True, False, 5, 1, True),
)
HEAD = dict(layers=2, hidden=32, queries=10)


def official_dino():
    return dino(SMALL['l'], **HEAD)


def official_dino_g():
    return dino(SMALL['g'], ffn=efficient_feed_forward, **HEAD)


def official_composite():
    return composite_dino(SMALL['h'], **HEAD)


def official_mask2former():
    return mask2former(
        SMALL['h'],
        classes=150,
        width=32,
        heads=2,
        hidden=(32, 32),
        queries=5,
        layers=(1, 1),
    )


@pytest.mark.parametrize('name', UNCHANGED)
def test_unchanged_families(name):
    """With the moving average that MMDetection 2 keeps beside the weights."""
    model = build(name)
    state = model.state_dict()
    converted = convert_downstream({'state_dict': moving_average(state)})
    check_names(converted, model)
    model.load_state_dict(converted, strict=True)


@pytest.mark.parametrize(
    ('name', 'official'),
    [
        (DINO, official_dino),
        (DINO_G, official_dino_g),
        (COMPOSITE, official_composite),
        (MASK2FORMER, official_mask2former),
    ],
)
def test_nothing_is_missing_or_left_over(name, official):
    model = build(name)
    state = official()
    converted = convert_downstream({'state_dict': state, 'meta': {}})
    check_names(converted, model)
    model.load_state_dict(converted, strict=True)
    loaded = build(name)
    loaded.load_state_dict(state, strict=True)
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, converted[key]), key


def test_dino_weights_go_where_they_belong():
    """The names alone would also fit with the two attentions swapped."""
    state = official_dino()
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
    state = official_mask2former()
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
    state = convert_downstream(official_dino())
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


def test_tool_knows_the_config_of_a_released_name(tmp_path, run_tool):
    source = tmp_path / 'upernet_internimage_s_512_160k_ade20k.pth'
    torch.save({'state_dict': {'backbone.x': torch.zeros(1)}}, source)
    script = 'model_converters/internimage_downstream.py'
    failed = run_tool(script, source, tmp_path / 'mm.pth', check=False)
    assert 'not that of this EncoderDecoder' in failed.stderr
