"""Converting checkpoints: there and back is bit-exact."""

import pytest
import torch
from toy import internimage as official

from m3i_mm.checkpoints.reading import CheckpointError, read_checkpoint
from m3i_mm.models.internimage.conversion import (
    convert_internimage,
    select_classes,
)
from m3i_mm.models.internimage.released_names import official_names

pytestmark = pytest.mark.openmmlab


def attention_pool_state():
    """Some parameters of the head of H and G, one of them in half."""
    names = (
        'patch_embed.conv1.weight',
        'levels.0.blocks.0.res_post_norm1.0.weight',
        'dcnv3_head_x4.0.weight',
        'dcnv3_head_x3.bias',
        'clip_projector.cross_dcn.k_bias',
        'clip_projector.norm1_q.0.weight',
        'fc_norm.0.bias',
        'head.weight',
        'head.bias',
    )
    state = {name: torch.randn(3, 2) for name in names}
    state['levels.0.blocks.0.dcn.mask.bias'] = torch.randn(3).half()
    return state


STATES = dict(
    conv=lambda: official.read(official.DATA / 'small_like.npz')[1],
    attention_pool=attention_pool_state,
)


def assert_same(state, expected):
    assert set(state) == set(expected)
    for name, tensor in expected.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor), name


@pytest.mark.parametrize('head', STATES)
@pytest.mark.parametrize('style', ['official', 'mmpretrain'])
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_round_trip_is_exact(head, style, suffix, tmp_path):
    state = STATES[head]()
    first, second, third = (str(tmp_path / n) for n in ('a', 'b', 'c'))
    torch.save(dict(model=state), first)
    assert convert_internimage(first, second + suffix, style) == len(state)
    convert_internimage(second + suffix, third, 'official')
    assert_same(torch.load(third)['model'], state)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_backbone_alone(suffix, tmp_path):
    state = STATES['conv']()
    source, target = str(tmp_path / 'a.pth'), str(tmp_path / f'b/c{suffix}')
    torch.save(state, source)
    convert_internimage(source, target, 'backbone')
    assert_same(
        official_names(read_checkpoint(target)), official.backbone_part(state)
    )


def test_tool_selects_classes(run_tool, tmp_path):
    state = STATES['conv']()
    source, target = tmp_path / 'source.pth', tmp_path / 'target.pth'
    torch.save(dict(model=state), source)
    class_map = tmp_path / 'map.txt'
    class_map.write_text('7\n2\n\n')
    result = run_tool(
        'model_converters/internimage.py',
        source,
        target,
        '--class-map',
        class_map,
    )
    assert '135 tensors written' in result.stdout
    written = torch.load(target)['state_dict']
    assert torch.equal(written['head.fc.weight'], state['head.weight'][[7, 2]])
    assert torch.equal(written['head.fc.bias'], state['head.bias'][[7, 2]])


@pytest.mark.parametrize(
    ('keep_head', 'words'),
    [(True, r'classes 3 \.\.\. 10, but the head has 10'), (False, 'no head')],
)
def test_class_map_must_fit(keep_head, words, tmp_path):
    state = STATES['conv']()
    if not keep_head:
        state = official.backbone_part(state)
    source, class_map = str(tmp_path / 'a.pth'), tmp_path / 'map.txt'
    torch.save(state, source)
    class_map.write_text('3\n10\n')
    with pytest.raises(CheckpointError, match=words):
        convert_internimage(source, 'x', 'official', str(class_map))


def test_the_classes_of_imagenet_1k():
    """As in the authors' list of 1000 numbers, of which some are known."""
    pytest.importorskip('timm')
    numbers = torch.arange(21841.0)
    state = {'head.weight': numbers[:, None], 'head.bias': numbers}
    rows = select_classes(state, 'imagenet-1k')['head.bias'].int().tolist()
    assert len(set(rows)) == 999  # the teapot's stands for the teddy, too
    assert rows[:5] == [359, 368, 460, 475, 486]
    assert rows[849] == rows[850] == 11136
